import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eachInTurns } from '../support/in-turns.ts'
import { contentOf, imageManifest, mediaTypes } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { startRegistry } from '../support/registry-under-test.ts'
import { layoutRoot } from '../support/storage-tree.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { subject } from './ledger.ts'
import { LinkCheck } from './links.ts'

const seed = process.env.CRASH_SEED ?? String(Date.now())
const referrerCount = 3_000
const rounds = 12
const maxMillisecondsBeforeKill = 120

test('however often it is killed, the search for referrers from before comes to its end', {
  timeout: 300_000,
}, async () => {
  process.stdout.write(`\nCRASH_SEED=${seed}\n`)
  const random = seededRandom(seed)
  await using folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  const start = () => startRegistry({ dataFolder, configFolder: folder.path })
  const referrers = await pushReferrers(await start())
  await rm(join(dataFolder, layoutRoot, 'repositories/a/_manifests/referrers'), { recursive: true })

  for (let round = 1; round <= rounds; round++) {
    const server = await start()
    const asked = new RegistryClient(server.url).referrers('a', subject.digest).catch(() => undefined)
    await pause(random.below(maxMillisecondsBeforeKill))
    await server.kill()
    const answer = await asked
    if (answer !== undefined) expect(answer).toEqual(referrers)
  }
  await new LinkCheck(dataFolder).expectSound()
  await using server = await start()
  expect(await new RegistryClient(server.url).referrers('a', subject.digest)).toEqual(referrers)
})

/** @returns their digests, sorted */
async function pushReferrers(server: Awaited<ReturnType<typeof startRegistry>>): Promise<string[]> {
  const client = new RegistryClient(server.url)
  const manifests = Array.from({ length: referrerCount }, (_, number) => {
    const config = contentOf(Buffer.from(`{"number":${number % 10}}`), mediaTypes.config)
    const layer = contentOf(Buffer.from(`layer ${number % 301}`), mediaTypes.plainLayer)
    return {
      config,
      layer,
      manifest: imageManifest(config, [{ ...layer, diffId: layer.descriptor.digest }], subject),
    }
  })
  const contents = new Map(
    manifests
      .flatMap(({ config, layer }) => [config, layer])
      .map((content) => [content.descriptor.digest, content]),
  )
  await eachInTurns(contents.values(), async ({ bytes }) => void (await client.pushBlob('a', bytes)))
  const distinct = new Map(manifests.map(({ manifest }) => [manifest.descriptor.digest, manifest]))
  await eachInTurns(distinct, ([reference, manifest]) => client.pushManifest('a', { reference, manifest }))
  await server.stop()
  return [...distinct.keys()].sort()
}
