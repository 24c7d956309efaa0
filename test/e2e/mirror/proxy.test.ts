/** Distribution's `proxy` section before real upstreams, pulled from by real clients. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { RegistryOptions, StartRegistry } from '../../support/registry-process.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { run } from '../../support/tools.ts'

const random = seededRandom('mirror')
const image = imageOf(['one', 'two'].map((path) => gzippedLayer([{ path, content: random.bytes(200_000) }])))

const upstreams: [string, StartRegistry][] = [
  ['docker-registry', (options) => startDistribution(options)],
  ['registry', (options) => startDistribution(options, 'registry')],
  ['entrepot', (options) => startEntrepot(options)],
]

describe.each(upstreams)('a mirror of %s', (program, start) => {
  const tools = program === 'entrepot' ? [] : [program]
  describeWith([...tools, 'crane', 'skopeo'], 'as real clients pull from it', () => {
    let folder: TemporaryFolder
    let upstream: ServerProcess
    let mirror: ServerProcess
    const options = (name: string, config = {}): RegistryOptions => ({
      ...{ dataFolder: join(folder.path, name), configFolder: folder.path, config },
    })
    beforeAll(async () => {
      folder = await temporaryFolder()
      upstream = await start(options('upstream'))
      await new RegistryClient(upstream.url).pushImage('library/a', { tag: 'v1', image })
      mirror = await startEntrepot(options('mirror', { proxy: { remoteurl: upstream.url } }))
    })
    afterAll(async () => {
      await mirror?.kill()
      await upstream?.kill()
      await folder.remove()
    })

    test('skopeo copies an image from it', async () => {
      const source = `docker://${mirror.address}/library/a:v1`
      await run('skopeo', ['copy', '--src-tls-verify=false', source, `dir:${join(folder.path, 'copied')}`])
      const manifest = await readFile(join(folder.path, 'copied/manifest.json'))
      expect(manifest.equals(image.manifest.bytes)).toBe(true)
    })

    test('crane validates it and lists its tags', async () => {
      await run('crane', ['validate', '--insecure', '--remote', `${mirror.address}/library/a:v1`])
      expect(await run('crane', ['ls', '--insecure', `${mirror.address}/library/a`])).toBe('v1\n')
    })

    test('nothing can be pushed to it', async () => {
      const push = run('crane', [
        'copy',
        '--insecure',
        `${mirror.address}/library/a:v1`,
        `${mirror.address}/b:v1`,
      ])
      await expect(push).rejects.toThrow(/405|UNSUPPORTED/)
    })

    test('what was pulled is here when the upstream is not', async () => {
      await upstream.kill()
      await run('crane', ['validate', '--insecure', '--remote', `${mirror.address}/library/a:v1`])
    })
  })
})
