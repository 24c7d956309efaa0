/** Clients that push to a full disk are told so. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool, run } from '../../support/tools.ts'

const TIMES = 5

describe('a full disk', () => {
  let folder: TemporaryFolder
  let server: ServerProcess | undefined
  let layout: string
  let reason = ''

  beforeAll(async () => {
    folder = await temporaryFolder()
    const disk = join(folder.path, 'disk')
    await mkdir(disk)
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk])
    } catch {
      reason = 'a file system of its own can be mounted by root only'
      return
    }
    layout = join(folder.path, 'layout')
    await mkdir(layout)
    const root = imageOf([gzippedLayer([{ path: 'large', content: randomBytes(64 * 1024 ** 2) }])])
    await writeLayout(layout, { tag: 'v1', root })
    server = await startEntrepot({ dataFolder: join(disk, 'data'), configFolder: folder.path })
  })
  afterAll(async () => {
    await server?.stop()
    if (reason === '') await run('umount', [join(folder.path, 'disk')])
    await folder?.remove()
  })

  // podman pushes with the library of skopeo.
  const clients: [string, (address: string) => string[]][] = [
    [
      'skopeo',
      (address) => [
        'copy',
        '--insecure-policy',
        '--dest-tls-verify=false',
        `oci:${layout}:v1`,
        `docker://${address}/a:v1`,
      ],
    ],
    ['crane', (address) => ['push', '--insecure', layout, `${address}/a:v1`]],
  ]
  for (const [client, argumentsFor] of clients) {
    test(`is what ${client} says`, async ({ skip }) => {
      if (findTool(client) === undefined) skip(`${client} is not installed`)
      if (server === undefined) return skip(reason)
      for (let time = 0; time < TIMES; time++) {
        await expect(run(client, argumentsFor(server.address))).rejects.toThrow(
          /507|INSUFFICIENT_STORAGE|storage is full/,
        )
      }
    })
  }
})
