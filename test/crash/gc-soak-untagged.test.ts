/** Removal of untagged manifests against pushes that tag them again: two replicas, and two collectors that stand still or die at any call of
 *  the storage. Whatever has a tag is whole all the while.
 *
 *  `GC_SOAK_SECONDS` is how long each place lasts; `GC_SOAK_SEED` repeats the choices of a run. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { seededRandom } from '../support/random.ts'
import { S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Collectors } from './gc/collectors.ts'
import { stallingDriver } from './gc/stalling-driver.ts'
import { type Send, TaggingClient } from './gc/tagging.ts'

const seconds = Number(process.env.GC_SOAK_SECONDS ?? 15)
const seed = process.env.GC_SOAK_SEED ?? String(Date.now())
/** Whatever is left of it is checked once the time is over. */
const TIMEOUT_MS = 300_000 + 2_000 * seconds
const CLIENTS = 8
const TRUSTED_MS = 100
const SLOW_ONE_IN = 50
const MAX_PAUSE_MS = 400
const MAX_EXTRA_MS = 60_000

interface Place {
  readonly name: string
  readonly open: () => Promise<StorageDriver>
  readonly stallOneIn: number
  /** Of the repositories' deletions. */
  readonly leaseMs: number
}

async function soak({ name, open, stallOneIn, leaseMs }: Place): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const random = seededRandom(`${seed} ${name}`)
  const endsAt = performance.now() + seconds * 1000
  /** A slow machine has more time, until something was removed. */
  const isOver = () => {
    const lateMs = performance.now() - endsAt
    return lateMs > MAX_EXTRA_MS || (lateMs > 0 && collectors.figures.removedManifests > 0)
  }
  const slow = async () => {
    if (random.below(SLOW_ONE_IN) === 0 && !isOver()) await delay(random.below(MAX_PAUSE_MS))
  }
  const collection = { trustedMs: TRUSTED_MS, patienceMs: 5_000 }
  const deletions = { leaseMs, beatMs: leaseMs / 6, patienceMs: 5_000 }
  const settings = { redirects: undefined }
  const replicas: HttpRegistry[] = []
  for (const _ of [1, 2]) {
    const driver = stallingDriver(await open(), slow)
    replicas.push(stack.use(await HttpRegistry.start({ driver, collection, deletions, settings })))
  }
  const send: Send = (request, parts) => random.pick(replicas).send(request, parts)
  const clients = Array.from({ length: CLIENTS }, (_, number) => new TaggingClient(number, { send, random }))
  const collectors = new Collectors({
    ...{ open, random, stallOneIn, deletions, untagged: true, leaseMs: 1_500, settleMs: 3 * TRUSTED_MS },
    fenceMs: 2_000,
  })
  const collecting = [collectors.work({ stalls: true }), collectors.work({ stalls: false })]
  await Promise.all(clients.map((client) => client.work(isOver)))
  collectors.stop()
  await Promise.all(collecting)
  const sums = { tagged: 0, refused: 0, untagged: 0, looks: 0 }
  for (const { figures } of clients)
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += figures[key]
  process.stdout.write(`${name}: seed ${seed}, ${JSON.stringify({ ...sums, ...collectors.figures })}\n`)
  expect(collectors.failures).toEqual([])
  expect(sums.tagged).toBeGreaterThan(0)
  expect(collectors.figures.removedManifests).toBeGreaterThan(0)
  const fresh = stack.use(await HttpRegistry.start({ driver: await open(), collection, deletions, settings }))
  for (const client of clients) await client.look((request, parts) => fresh.send(request, parts))
  expect(clients.flatMap(({ losses }) => losses)).toEqual([])
}

test(
  'a folder',
  async () => {
    await using folder = await temporaryFolder()
    const open = () => FilesystemDriver.open({ root: `${folder.path}/data` })
    await soak({ name: 'a folder', open, stallOneIn: 300, leaseMs: 1_200 })
  },
  TIMEOUT_MS,
)

describe.skipIf(skipReason('versitygw'))(`a bucket${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')
  test(
    'of versitygw',
    async () => {
      await using replicas = await S3Replicas.start(s3Settings(server()))
      const open = () => replicas.open()
      await soak({ name: 'versitygw', open, stallOneIn: 2_000, leaseMs: 4_000 })
    },
    TIMEOUT_MS,
  )
})
