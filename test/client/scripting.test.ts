/** What scripts rely on: JSON of every command, and exit statuses. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CLIENT_COMMANDS } from '../../src/cli/table/commands.ts'
import { type CommandResult, runEntrepot } from '../support/command.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const image = imageOf([gzippedLayer([{ path: 'hello', content: 'world' }])])
const { digest } = image.manifest.descriptor

let folder: TemporaryFolder
let registry: HttpRegistry
let host: string
beforeAll(async () => {
  folder = await temporaryFolder()
  registry = await HttpRegistry.start()
  host = `127.0.0.1:${registry.port}`
  await registry.client.pushImage('team/app', { image, tag: '1.0' })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await folder.remove()
})

function run(...args: string[]): Promise<CommandResult> {
  const environment = { DOCKER_CONFIG: folder.path, REGISTRY_AUTH_FILE: join(folder.path, 'none.json') }
  return runEntrepot(args, { workingFolder: folder.path, environment })
}

test('every command gives JSON', { timeout: 120_000 }, async () => {
  const from = `${host}/team/app`
  const commands: Record<string, readonly string[]> = {
    copy: [`${from}:1.0`, `${from}:copied`],
    pull: [`${from}:1.0`, 'app.tar'],
    push: ['app.tar', `${from}:pushed`],
    export: [from, 'oci:carried'],
    import: ['oci:carried', `${host}/imported`],
    ls: [from],
    digest: [`${from}:1.0`],
    manifest: [`${from}:1.0`],
    inspect: [`${from}:1.0`],
    referrers: [`${from}:1.0`],
    tag: [`${from}:1.0`, 'stable'],
    delete: [`${from}:stable`],
    login: [host, '--username', 'alice', '--password', 'secret'],
    logout: [host],
  }
  expect(Object.keys(commands).sort()).toEqual([...CLIENT_COMMANDS].sort())
  const said: Record<string, unknown[]> = {}
  for (const [name, args] of Object.entries(commands)) {
    const { code, stdout, stderr } = await run(name, '--json', ...args)
    expect({ name, code, stderr: code === 0 ? '' : stderr }).toEqual({ name, code: 0, stderr: '' })
    const isWhole = name === 'manifest' || name === 'inspect'
    const texts = isWhole ? [stdout] : stdout.trimEnd().split('\n')
    said[name] = texts.map((text) => JSON.parse(text))
  }
  const copied = { action: 'copy', digest, mediaType: image.manifest.descriptor.mediaType }
  expect(said).toMatchObject({
    copy: [
      { ...copied, from: `${from}:1.0`, to: `${from}:copied` },
      { action: 'total', manifests: 0 },
    ],
    pull: [copied, { action: 'total', copied: 2 }],
    push: [{ ...copied, to: `${from}:pushed` }, { action: 'total' }],
    ls: [['1.0', 'copied', 'pushed']],
    digest: [{ name: `${from}:1.0`, digest }],
    manifest: [JSON.parse(image.manifest.bytes.toString())],
    inspect: [{ Digest: digest }],
    referrers: [[]],
    tag: [{ action: 'tag', name: `${from}:stable`, digest }],
    delete: [{ action: 'delete', name: `${from}:stable` }],
    login: [{ action: 'login', registry: host, stored: join(folder.path, 'config.json') }],
    logout: [{ action: 'logout', registry: host, removed: true }],
  })
})

test.each([
  ['a wrong command line', 2, () => ['copy', `${host}/team/app:1.0`]],
  ['an unknown option', 2, () => ['ls', '--nothing', host]],
  ['a tag that is not there', 4, () => ['digest', `${host}/team/app:2.0`]],
  ['a repository that is not there', 4, () => ['manifest', `${host}/team/none:1.0`]],
  ['a file that is no archive', 1, () => ['push', 'damaged.tar', `${host}/team/app:x`]],
] as const)('%s ends with %i', async (_title, status, args) => {
  await writeFile(join(folder.path, 'damaged.tar'), 'no archive')
  const { code, stderr } = await run(...args())
  expect({ code, stderr }).toMatchObject({ code: status, stderr: expect.stringContaining('entrepot: ') })
})

test.each([
  [401, 5],
  [403, 5],
  [404, 4],
  [429, 75],
  [503, 75],
])('a registry that answers %i makes it end with %i', async (answered, status) => {
  const server = createServer((_, response) => {
    response.writeHead(answered, { 'www-authenticate': 'Basic realm="x"' }).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const image = `127.0.0.1:${(server.address() as AddressInfo).port}/a:1`
    const { code } = await run('digest', '--plain-http', '--retry-times', '0', image)
    expect(code).toBe(status)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
