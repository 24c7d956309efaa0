/** Entrepot in the place of a Distribution proxy: the same configuration, over what that has cached. */
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const random = seededRandom('replacing a proxy')
const addedImage = () => imageOf([gzippedLayer([{ path: 'file', content: random.bytes(200_000) }])])

function add(upstream: ScriptedUpstream, tag: string) {
  const image = addedImage()
  const blobs = [image.config, ...image.layers].map(({ bytes }) => upstream.addBlob(bytes))
  const { bytes, descriptor } = image.manifest
  upstream.setTag('library/a', tag, upstream.addManifest(bytes, descriptor.mediaType))
  return { tag, manifest: bytes, blobs }
}

for (const program of ['docker-registry', 'registry'])
  describeWith([program], `in the place of a proxy of ${program}`, () => {
    test('serves what is cached, and fetches what is not', { timeout: 120_000 }, async () => {
      await using folder = await temporaryFolder()
      await using upstream = await ScriptedUpstream.start()
      upstream.script = ({ url }, response) => {
        if (url !== '/v2/') return false
        response.end('{}')
        return true
      }
      const [cached, missing] = [add(upstream, 'cached'), add(upstream, 'missing')]
      const config = { proxy: { remoteurl: upstream.url } }
      const options = { dataFolder: `${folder.path}/data`, configFolder: folder.path, config }
      const pull = async (url: string, { tag, manifest, blobs }: typeof cached) => {
        const client = new RegistryClient(url)
        expect((await client.manifest('library/a', tag))?.equals(manifest)).toBe(true)
        for (const digest of blobs)
          expect((await client.blob('library/a', digest as never))?.length).toBeGreaterThan(0)
      }
      const distribution = await startDistribution(options, program)
      try {
        // It stores after it has answered.
        await expect
          .poll(async () => {
            const before = upstream.seen('GET', /blobs/).length
            await pull(distribution.url, cached)
            return upstream.seen('GET', /blobs/).length - before
          })
          .toBe(0)
      } finally {
        await distribution.kill()
      }
      await using entrepot = await startEntrepot(options)
      upstream.requests.length = 0
      await pull(entrepot.url, missing)
      await pull(entrepot.url, cached)
      const fetched = upstream.seen('GET', /blobs|manifests/).map(({ path }) => path)
      expect(fetched.filter((path) => cached.blobs.some((blob) => path.endsWith(blob)))).toEqual([])
      await upstream.stop()
      await pull(entrepot.url, cached)
    })
  })
