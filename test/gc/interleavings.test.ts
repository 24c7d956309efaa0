/** The real collector and a real push over one storage, of which one call is made at a time: in the orders that have a few
 *  changes between the two. Whatever was acknowledged must have all that it needs.
 *
 *  `MODEL=long` tries every order with up to three changes, which takes minutes; otherwise a sample of them is taken. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { RegistryError } from '../../src/core/errors.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { RepositoryName, Tag } from '../../src/core/reference.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { blobPath, RepositoryPaths } from '../../src/registry/paths.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { CallScheduler } from '../support/call-scheduler.ts'
import { quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { seededRandom } from '../support/random.ts'
import { collect } from './support.ts'

const isLong = process.env.MODEL === 'long'
const SAMPLE = 25

/** There are no heartbeats, whose time nobody chooses. */
const TIMING = { leaseMs: 600_000, beatMs: 300_000, settleMs: 0 }
const GUARD = { trustedMs: 0, patienceMs: 60_000 }
/** Even what was pushed just now is old enough, so nothing but the protocol keeps it. */
const NO_GRACE_MS = -60_000

const NAME = 'team/app' as RepositoryName
const OTHER = 'team/other' as RepositoryName
const BLOBS = ['config', 'layer']
const image = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
)

function open(driver: StorageDriver): StoredRegistry {
  return new StoredRegistry({ driver, policy: DEFAULT_POLICY, collection: GUARD, log: quiet })
}

/** Blobs that no manifest needs yet. */
async function garbage(): Promise<MemoryDriver> {
  const driver = new MemoryDriver()
  for (const blob of BLOBS) {
    const digest = digestOf(Buffer.from(blob))
    await driver.put(blobPath(digest), Buffer.from(blob))
    const link = `${new RepositoryPaths(NAME).layers}/${digest.replace(':', '/')}/link`
    await driver.put(link, Buffer.from(digest))
  }
  return driver
}

/** The blobs are in the repository, or are mounted from it into another one. */
type Way = 'pushed' | 'mounted'

/** @returns false if it was refused */
async function push(registry: StoredRegistry, way: Way): Promise<boolean> {
  const { blobs, manifests, tags } = registry.repository(way === 'pushed' ? NAME : OTHER)
  try {
    if (way === 'mounted') for (const blob of BLOBS) await blobs.mount(digestOf(Buffer.from(blob)), NAME)
    const stored = await manifests.put(parseManifest(image, MediaType.ociManifest), undefined, {
      tags: ['v1' as Tag],
    })
    await tags.tag('v1' as Tag, stored)
    return true
  } catch (error) {
    if (error instanceof RegistryError) return false
    throw error
  }
}

interface Outcome {
  readonly isAcknowledged: boolean
  /** Of the push, and of the collector. */
  readonly calls: readonly number[]
}

/** @param lengths how many calls are made between one change and the next
 *  @param first 0: the push begins; 1: the collector */
async function play(
  lengths: readonly number[],
  { first, way }: { first: number; way: Way },
): Promise<Outcome> {
  const driver = await garbage()
  const scheduler = new CallScheduler(2)
  const pusher = open(scheduler.driverOf(0, driver))
  const collector = open(scheduler.driverOf(1, driver))
  let isAcknowledged = false
  await scheduler.run(
    [
      async () => {
        isAcknowledged = await push(pusher, way)
      },
      async () => {
        const options = { timing: TIMING, graceMs: NO_GRACE_MS, batchSize: 1 }
        await collect(collector, options)
      },
    ],
    { lengths, first },
  )
  const missing: string[] = []
  for (const content of isAcknowledged ? [...BLOBS, image] : []) {
    const path = blobPath(digestOf(Buffer.from(content)))
    await driver.stat(path).catch(() => missing.push(path))
  }
  expect({ lengths, first, way, missing }).toEqual({ lengths, first, way, missing: [] })
  return { isAcknowledged, calls: scheduler.made }
}

/** Lengths of up to three changes.
 *  @param limits how many calls each of the two makes */
function* orders(limits: readonly [number, number], first: number): Generator<readonly number[]> {
  const [own, other] = first === 0 ? limits : [limits[1], limits[0]]
  for (let one = 0; one <= own; one++)
    for (let two = 1; two <= other; two++)
      for (let three = 1; three <= own - one || three === 1; three++) yield [one, two, three]
}

test.each([
  ['the push begins', { first: 0, way: 'pushed' }],
  ['the collector begins', { first: 1, way: 'pushed' }],
  ['the push begins, and mounts', { first: 0, way: 'mounted' }],
  ['the collector begins, and the push mounts', { first: 1, way: 'mounted' }],
] as const)(
  'no order of calls loses an image that was acknowledged: %s',
  async (_, { first, way }) => {
    const [pushed, collected] = [await play([], { first: 0, way }), await play([], { first: 1, way })]
    const all = [...orders([pushed.calls[0]!, collected.calls[1]!], first)]
    const random = seededRandom(`orders ${first} ${way}`)
    const chosen = isLong ? all : Array.from({ length: SAMPLE }, () => all[random.below(all.length)]!)
    let acknowledged = 0
    for (const lengths of chosen) if ((await play(lengths, { first, way })).isAcknowledged) acknowledged++

    expect(acknowledged).toBeGreaterThan(0)
  },
  1_800_000,
)
