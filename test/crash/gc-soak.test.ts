/** Garbage collection against pushes, mounts, pulls and deletes: two replicas, and two collectors that stand still or die at any call of the
 *  storage. Every image that was acknowledged and that nobody has deleted is pulled again and again.
 *
 *  `GC_SOAK_SECONDS` is how long each place lasts; `GC_SOAK_SEED` repeats the choices of a run. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { collect } from '../gc/support.ts'
import { startDistribution } from '../support/distribution-process.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { seededRandom } from '../support/random.ts'
import { S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { findTool } from '../support/tools.ts'
import { Collectors } from './gc/collectors.ts'
import { SoakClient } from './gc/soak.ts'
import { stallingDriver } from './gc/stalling-driver.ts'

const seconds = Number(process.env.GC_SOAK_SECONDS ?? 15)
const seed = process.env.GC_SOAK_SEED ?? String(Date.now())
/** Whatever is left of it is checked once the time is over. */
const TIMEOUT_MS = 300_000 + 2_000 * seconds
const CLIENTS = 16
const TRUSTED_MS = 100
const SLOW_ONE_IN = 25
const MAX_PAUSE_MS = 800

interface Place {
  readonly name: string
  readonly open: () => Promise<StorageDriver>
  readonly stallOneIn: number
  /** Longer than its requests take on a loaded machine: otherwise collectors take each other's place all the time, and few finish. */
  readonly leaseMs: number
}

async function soak({ name, open, stallOneIn, leaseMs }: Place): Promise<{ clients: readonly SoakClient[] }> {
  const guard = { trustedMs: TRUSTED_MS, patienceMs: 5_000 }
  await using stack = new AsyncDisposableStack()
  const random = seededRandom(`${seed} ${name}`)
  const endsAt = performance.now() + seconds * 1000
  const isOver = () => performance.now() > endsAt
  // A push may take long between its look at a blob and its answer.
  const slow = async () => {
    if (random.below(SLOW_ONE_IN) === 0 && !isOver()) await delay(random.below(MAX_PAUSE_MS))
  }
  const settings = { redirects: undefined }
  const replicas: HttpRegistry[] = []
  for (const _ of [1, 2]) {
    const driver = stallingDriver(await open(), slow)
    replicas.push(stack.use(await HttpRegistry.start({ driver, collection: guard, settings })))
  }
  const clients = Array.from({ length: CLIENTS }, (_, number) => new SoakClient(number, { replicas, random }))
  const collectors = new Collectors({
    open,
    random,
    stallOneIn,
    leaseMs,
    settleMs: 3 * TRUSTED_MS,
    fenceMs: 2_000,
  })
  // One stands still or dies now and then; the other goes on.
  const collecting = [collectors.work({ stalls: true }), collectors.work({ stalls: false })]
  await Promise.all(clients.map((client) => client.work(isOver)))
  collectors.stop()
  await Promise.all(collecting)
  const sums = clients.reduce(
    (sum, { figures }) => ({
      pushes: sum.pushes + figures.pushes,
      refused: sum.refused + figures.refused,
      deletes: sum.deletes + figures.deletes,
      pulls: sum.pulls + figures.pulls,
    }),
    { pushes: 0, refused: 0, deletes: 0, pulls: 0 },
  )
  process.stdout.write(`${name}: seed ${seed}, ${JSON.stringify({ ...sums, ...collectors.figures })}\n`)
  expect(collectors.failures).toEqual([])
  expect(clients.flatMap(({ losses }) => losses)).toEqual([])
  expect(sums.pushes).toBeGreaterThan(0)
  // In the end nothing is left but what is needed, and all of that is there for a replica that knows nothing.
  await delay(1_100)
  const fresh = stack.use(
    await HttpRegistry.start({
      driver: stallingDriver(await open(), slow),
      collection: guard,
      settings: { redirects: undefined },
    }),
  )
  const timing = { leaseMs: 1_000, beatMs: 200, settleMs: 3 * TRUSTED_MS }
  const last = await collect(fresh.registry, { timing })
  expect(collectors.figures.deletedBlobs + last.deletedBlobs).toBeGreaterThan(0)
  for (const client of clients) await client.check(fresh)
  expect(clients.flatMap(({ losses }) => losses)).toEqual([])
  return { clients }
}

test(
  'a folder',
  async () => {
    await using folder = await temporaryFolder()
    const dataFolder = `${folder.path}/data`
    const open = () => FilesystemDriver.open({ root: dataFolder })
    const { clients } = await soak({ name: 'a folder', open, stallOneIn: 60, leaseMs: 500 })
    // Of Distribution 2.8 and 3.
    for (const program of ['docker-registry', 'registry']) {
      if (findTool(program) === undefined) continue
      await using distribution = await startDistribution({ dataFolder, configFolder: folder.path }, program)
      for (const client of clients) await client.checkAt(distribution.url)
      expect(clients.flatMap(({ losses }) => losses)).toEqual([])
    }
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
      await soak({ name: 'versitygw', open, stallOneIn: 150, leaseMs: 3_000 })
    },
    TIMEOUT_MS,
  )
})
