/** Garbage collection without a grace period while real clients push, delete and push again. A push that is not slower
 *  than the collector's wait for pushes must not fail. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runEntrepot } from '../../support/command.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { sha256 } from '../../support/oci-image.ts'
import { writeLayout } from '../../support/oci-layout.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool, run } from '../../support/tools.ts'
import { containerStorage } from './container-storage.ts'
import { expectServed } from './expectations.ts'
import { sampleImage } from './sample-images.ts'

/** Without a grace period a blob is safe that the client has looked for at most so long before it puts the manifest: the
 *  collector's wait for pushes, less the age of the state that a registry goes by. */
const SAFE_PUSH_MS = 5_000

const COLLECTIONS = Number(process.env.GC_CLIENT_COLLECTIONS ?? 1)

const MINUTES_2 = 120_000

test('skopeo, podman, crane and oras push in a loop while garbage is collected, and none fails', async () => {
  await using folder = await temporaryFolder()
  const storage = {
    filesystem: { rootdirectory: join(folder.path, 'data') },
    delete: { enabled: true },
    maintenance: { gc: { enabled: true, schedule: 'never', grace: '0s' } },
  }
  const config = { http: { addr: '127.0.0.1:0' }, storage }
  const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config }
  await using registry = await startEntrepot(options)
  const client = new RegistryClient(registry.url)
  const { address } = registry

  const image = sampleImage('collected')
  const layout = join(folder.path, 'layout')
  await writeLayout(layout, { tag: 'v1', root: image })
  const insecure = '--tls-verify=false'
  const tools: Record<string, (to: string) => Promise<unknown>> = {
    skopeo: (to) =>
      run('skopeo', [
        ...['copy', '--insecure-policy', '--dest-tls-verify=false'],
        ...[`oci:${layout}:v1`, `docker://${to}`],
      ]),
    crane: (to) => run('crane', ['--insecure', 'push', layout, to]),
    oras: (to) => run('oras', ['cp', '--from-oci-layout', '--to-plain-http', `${layout}:v1`, to]),
  }
  if (findTool('podman') !== undefined) {
    const podman = await containerStorage('podman', { driver: 'vfs', folder: folder.path })
    await client.pushImage('source', { tag: 'v1', image })
    const source = `${address}/source:v1`
    await podman.run('pull', '--quiet', insecure, source)
    tools.podman = (to) => podman.run('push', '--quiet', insecure, source, to)
  }

  let isOver = false
  const pushes: Record<string, number> = {}
  const failures: string[] = []
  const pushInLoop = async (tool: string, push: (to: string) => Promise<unknown>) => {
    for (pushes[tool] = 0; !isOver; ) {
      const startedAt = performance.now()
      try {
        await push(`${address}/${tool}:v1`)
      } catch (error) {
        if (performance.now() - startedAt < SAFE_PUSH_MS) failures.push(String(error))
        continue
      }
      pushes[tool]++
      const manifest = await client.manifest(tool, 'v1')
      if (manifest !== undefined) await client.deleteManifest(tool, sha256(manifest))
    }
    // What was pushed last is whole, whatever was deleted before.
    await push(`${address}/${tool}:v1`)
    pushes[tool]++
    if (tool !== 'podman') await expectServed(image, { client, repository: tool })
  }
  const present = Object.entries(tools).filter(([tool]) => findTool(tool) !== undefined)
  expect(present.length).toBeGreaterThan(0)
  const loops = present.map(([tool, push]) => pushInLoop(tool, push))

  const file = join(folder.path, 'gc.yml')
  await writeFile(file, JSON.stringify({ version: 0.1, ...config }))
  const collect = async () => {
    for (let round = 0; round < COLLECTIONS; round++) {
      const garbage = Buffer.from(`garbage of round ${round}`)
      await client.pushBlob('garbage', garbage)
      const { code, stdout, stderr } = await runEntrepot(['gc', file, '--json'], { timeoutMs: MINUTES_2 })
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain(sha256(garbage))
    }
  }
  const collecting = collect().finally(() => {
    isOver = true
  })
  await Promise.all([collecting, ...loops])
  expect(failures).toEqual([])
  for (const [tool] of present) expect(pushes[tool]).toBeGreaterThan(0)
}, 240_000)
