import { test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { type Random, seededRandom } from '../support/random.ts'
import { s3Tools } from '../support/s3-server.ts'
import { Acknowledged } from './races/acknowledged.ts'
import { checkProcess } from './races/check.ts'
import { Deleter } from './races/deleter.ts'
import { Findings } from './races/findings.ts'
import type { Surroundings } from './races/game.ts'
import { HonestPusher } from './races/honest-pusher.ts'
import { Place, type PlaceKind } from './races/place.ts'
import { Poisoner } from './races/poisoner.ts'
import { azureStore, folderAndRedis, folderStore, gcsStore, s3Store } from './races/stores.ts'
import { Targets } from './races/targets.ts'

const seconds = Number(process.env.RACE_SECONDS ?? 12)
const seed = process.env.RACE_SEED ?? String(Date.now())
const poisoners = 4
const honestPushers = 2
const deleters = 3
const MIB = 1024 ** 2

const onFolder = { open: folderStore, largeBytes: 3 * MIB }

const places: readonly PlaceKind[] = [
  { title: 'two processes on one folder', processes: 2, ...onFolder },
  {
    title: 'three processes on one folder, of which one is killed now and then',
    processes: 3,
    ...onFolder,
    isDeadly: true,
  },
  {
    title: 'three processes on one folder with one Redis',
    tools: ['redis-server'],
    processes: 3,
    ...onFolder,
    open: folderAndRedis,
    // While Redis takes longer than usual, 5 s (docs/cache.md); and some for the machine.
    settleMs: 8_000,
  },
  { title: 'two workers on one folder', processes: 1, workers: 2, ...onFolder },
  {
    title: 'two replicas on one bucket of S3',
    tools: [s3Tools.versitygw],
    processes: 2,
    open: s3Store,
    largeBytes: 5 * MIB,
  },
  {
    title: 'two replicas on one container of Azure',
    processes: 2,
    open: azureStore,
    largeBytes: 5 * MIB,
    stretchSeconds: 120,
  },
  {
    title: 'two replicas on one bucket of Google Cloud Storage',
    tools: ['fake-gcs-server'],
    processes: 2,
    open: gcsStore,
    largeBytes: MIB,
  },
]

for (const kind of places) {
  describeWith(kind.tools ?? [], kind.title, () => {
    const timeout = 3 * seconds * 1_000 + 300_000
    test('keep their promises, whatever is attacked and deleted', { timeout }, () => race(kind))
  })
}

async function race(kind: PlaceKind): Promise<void> {
  process.stdout.write(`\nRACE_SEED=${seed} RACE_SECONDS=${seconds}: ${kind.title}\n`)
  const stretches = Math.ceil(seconds / (kind.stretchSeconds ?? seconds))
  for (let stretch = 0; stretch < stretches; stretch++) {
    await raceOnce(kind, { seed: `${seed} ${stretch}`, seconds: seconds / stretches })
  }
}

interface Stretch {
  readonly seed: string
  readonly seconds: number
}

async function raceOnce(kind: PlaceKind, stretch: Stretch): Promise<void> {
  await using place = await Place.start(kind)
  const { isDeadly = false, settleMs = 0, largeBytes } = kind
  const [findings, acknowledged] = [new Findings(), new Acknowledged()]
  const targets = new Targets(largeBytes)
  const around = { replicas: place.replicas, isDeadly, settleMs, findings, acknowledged, targets }
  await everybody(place, around, stretch)
  for (const { url = '' } of place.replicas) await checkProcess(url, around)
  process.stdout.write(`${[findings.summary, ...place.errors].join('\n')}\n`)
  findings.expectNone()
  await place.expectSound()
}

/** Until the time is over, or somebody fails. */
async function everybody(place: Place, around: Surroundings, { seed, seconds }: Stretch): Promise<void> {
  const failed = new AbortController()
  const stopped = AbortSignal.any([failed.signal, AbortSignal.timeout(seconds * 1_000)])
  const actor = (who: string, act: (random: Random) => Promise<void>) =>
    act(seededRandom(`${seed} ${who}`)).catch((error: Error) => {
      around.findings.report(`${who}: ${error.stack}`)
      failed.abort()
    })
  const each = (count: number, who: string, act: (number: number, random: Random) => Promise<void>) =>
    Array.from({ length: count }, (_, number) => actor(`${who} ${number}`, (random) => act(number, random)))
  await Promise.all([
    ...each(poisoners, 'poisoner', (number, random) =>
      new Poisoner(number, { random, around }).attackUntil(stopped),
    ),
    ...each(honestPushers, 'honest pusher', (number, random) =>
      new HonestPusher(number, { random, around }).pushUntil(stopped),
    ),
    ...each(deleters, 'deleter', (number, random) =>
      new Deleter(number, { random, around }).raceUntil(stopped),
    ),
    ...(around.isDeadly
      ? [actor('killer', (random) => place.killUntil(stopped, { random, ...around }))]
      : []),
  ])
}
