/** What is acknowledged is told, and nothing that did not happen: wherever a process dies, and whoever delivers. */
import { describe, expect, test } from 'vitest'
import { NO_CACHE } from '../../../src/core/descriptor-cache.ts'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../../src/core/reference.ts'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import { mapInOrder } from '../../../src/lib/map-in-order.ts'
import type { Endpoint } from '../../../src/notifications/delivery/endpoint.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import {
  endpointFor,
  IMPATIENT,
  IMPATIENT_ON_DISK,
  NotifyingProcess,
  type Timing,
} from '../../notifications/outbox-under-test.ts'
import { until } from '../../notifications/support.ts'
import { EventReceiver, type ReceivedEvent } from '../../support/event-receiver.ts'
import { quiet } from '../../support/http-registry.ts'
import { interruptedDriver } from '../../support/interrupted-driver.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

type Change = (registry: NotifyingProcess) => Promise<unknown>

const REPOSITORY = parseRepositoryName('a')

/** When a process dies: before or after a call of storage. */
interface Moment {
  readonly call: number
  readonly when: 'before' | 'after'
}

function momentsOf(calls: readonly number[]): Moment[] {
  return calls.flatMap((call) => [
    { call, when: 'before' },
    { call, when: 'after' },
  ])
}

interface Place {
  readonly title: string
  /** The calls at which a change is cut short. */
  readonly calls: readonly number[]
  /** How many are cut short at once: most of the time is spent waiting. */
  readonly concurrency: number
  readonly timing: Timing
  open(disposables: AsyncDisposableStack): Promise<StorageDriver>
}

/** Up to this call, and each of them, by hand. */
const LAST_CALL = Number(process.env.CRASH_STEPS ?? 0)

const places: readonly Place[] = [
  {
    ...{ title: 'in memory', calls: range(LAST_CALL || 26), concurrency: 26, timing: IMPATIENT },
    open: async () => new MemoryDriver(),
  },
  {
    title: 'on a disk',
    calls: LAST_CALL > 0 ? range(LAST_CALL) : [5, 40],
    concurrency: 4,
    timing: IMPATIENT_ON_DISK,
    async open(disposables) {
      const folder = disposables.use(await temporaryFolder())
      return FilesystemDriver.open({ root: folder.path })
    },
  },
]

function range(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

const changes: [string, { before: Change; change: Change }][] = [
  ['a push of a blob', { before: async () => {}, change: (registry) => registry.pushBlob('a', 'bytes') }],
  ['a push of an image', { before: async () => {}, change: (registry) => registry.pushImage('a', 'latest') }],
  [
    'a tag that moves',
    {
      before: (registry) => registry.pushImage('a', 'latest', 'old'),
      change: (registry) => registry.pushImage('a', 'latest', 'new'),
    },
  ],
  [
    'a deletion of a tag',
    {
      before: (registry) => registry.pushImage('a', 'latest'),
      change: (registry) => registry.registry.repository(REPOSITORY).tags.untag(parseTag('latest')),
    },
  ],
  [
    'a deletion of a manifest with its tag',
    {
      before: (registry) => registry.pushImage('a', 'latest'),
      change: async (registry) => {
        const { tags, manifests } = registry.registry.repository(REPOSITORY)
        await manifests.delete(await tags.get(parseTag('latest')))
      },
    },
  ],
]

describe.each(places)('$title', (place) => {
  test.each(changes)('%s, cut short before and after calls of storage', async (_, { before, change }) => {
    const outcomes: string[] = []
    const work = (moment: Moment) => cutShort({ ...moment, before, change, place })
    for await (const isAcknowledged of mapInOrder(momentsOf(place.calls), {
      concurrency: place.concurrency,
      work,
    }))
      outcomes.push(isAcknowledged ? 'told' : 'cut')
    // Some are acknowledged, some are not: otherwise nothing was cut short.
    expect(new Set(outcomes)).toEqual(new Set(['told', 'cut']))
  })

  test('a delivery that is cut short is gone on with by another process', async () => {
    const moments = momentsOf(place.calls.filter((call) => call % 3 !== 0))
    const work = (moment: Moment) => cutShortDelivery(moment, place)
    for await (const _ of mapInOrder(moments, { concurrency: place.concurrency, work })) {
      // Each looks for itself.
    }
  })
})

/** @returns whether the change was acknowledged */
async function cutShort({
  call,
  when,
  before,
  change,
  place,
}: Moment & { before: Change; change: Change; place: Place }): Promise<boolean> {
  const { timing } = place
  await using receiver = await EventReceiver.start()
  await using disposables = new AsyncDisposableStack()
  const driver = await place.open(disposables)
  {
    await using earlier = new NotifyingProcess({ timing, driver, endpoints: [], delivers: false })
    await before(earlier)
  }
  const { driver: dying, death } = interruptedDriver(driver, { call, when })
  const dies = new NotifyingProcess({
    timing,
    driver: dying,
    endpoints: [endpointFor({ url: receiver.url })],
    delivers: false,
  })
  const acknowledged = change(dies).then(() => true)
  const isAcknowledged = await Promise.race([acknowledged, death.then(() => false)])
  const visible = await whatIsThere(driver)
  await using survivor = new NotifyingProcess({
    timing,
    driver,
    endpoints: [endpointFor({ url: receiver.url })],
  })
  // Announced after all that was cut short, in the same repository: then that is decided.
  await until(() => survivor.dispatcher?.isDelivering === true)
  await survivor.pushBlob('a', 'last')
  await until(() => receiver.events.some(({ target }) => target.size === 'last'.length))
  const told = receiver.events.filter(({ target }) => target.size !== 'last'.length)
  if (isAcknowledged) expect(told.length, `${when} ${call}`).toBeGreaterThan(0)
  // What had been begun when the process died may have reached the disk since.
  const states = [visible, await whatIsThere(driver)]
  for (const event of told)
    expect(states.some(isSo(event)), `${when} ${call}: ${event.action} ${event.target.tag}`).toBe(true)
  if (isAcknowledged) {
    const expected = await eventsOfWhole({ before, change })
    expect(new Set(told.map(shortly)), `${when} ${call}`).toEqual(new Set(expected.map(shortly)))
  }
  return isAcknowledged
}

interface Visible {
  readonly blobs: ReadonlySet<string>
  readonly manifests: ReadonlySet<string>
  readonly tags: ReadonlyMap<string, string>
}

async function whatIsThere(driver: StorageDriver): Promise<Visible> {
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, cache: NO_CACHE, log: quiet })
  const { blobs, manifests, tags } = stored.repository(REPOSITORY)
  const found = new Map<string, string>()
  for await (const tag of tags.all()) found.set(tag, await tags.get(tag))
  return { blobs: await setOf(blobs.all()), manifests: await setOf(manifests.all()), tags: found }
}

async function setOf(names: AsyncIterable<string>): Promise<Set<string>> {
  const set = new Set<string>()
  for await (const name of names) set.add(name)
  return set
}

function isSo({ action, target }: ReceivedEvent) {
  const digest = String(target.digest)
  return ({ blobs, manifests, tags }: Visible) => {
    if (action === 'delete' && target.tag) return !tags.has(target.tag)
    if (action === 'delete') return !blobs.has(digest) && !manifests.has(digest)
    if (target.tag) return tags.get(target.tag) === digest
    return blobs.has(digest) || manifests.has(digest)
  }
}

function shortly({ action, target: { tag, digest } }: ReceivedEvent): string {
  return `${action} ${tag ?? ''} ${digest ?? ''}`
}

async function eventsOfWhole({ before, change }: { before: Change; change: Change }) {
  await using receiver = await EventReceiver.start()
  const driver = new MemoryDriver()
  {
    await using earlier = new NotifyingProcess({ timing: IMPATIENT, driver, endpoints: [], delivers: false })
    await before(earlier)
  }
  await using registry = new NotifyingProcess({
    timing: IMPATIENT,
    driver,
    endpoints: [endpointFor({ url: receiver.url })],
  })
  await until(() => registry.dispatcher?.isDelivering === true)
  await change(registry)
  await registry.pushBlob('a', 'last')
  await until(() => receiver.events.some(({ target }) => target.size === 'last'.length))
  return receiver.events.filter(({ target }) => target.size !== 'last'.length)
}

async function cutShortDelivery({ call, when }: Moment, place: Place): Promise<void> {
  const { timing } = place
  await using receiver = await EventReceiver.start()
  await using disposables = new AsyncDisposableStack()
  const driver = await place.open(disposables)
  const endpoint = (): Endpoint => endpointFor({ url: receiver.url })
  await using writer = new NotifyingProcess({
    timing,
    driver,
    endpoints: [endpoint()],
    delivers: false,
  })
  const { driver: dying } = interruptedDriver(driver, { call, when })
  const first = new NotifyingProcess({ timing, driver: dying, endpoints: [endpoint()] })
  await until(() => first.dispatcher?.isDelivering === true || call < 8)
  await using survivor = new NotifyingProcess({ timing, driver, endpoints: [endpoint()] })
  const contents = Array.from({ length: 12 }, (_, index) => `content ${index}`)
  for (const content of contents) await writer.pushBlob('a', content)
  const ids = () => new Set(receiver.events.map(({ target }) => target.digest)).size
  await until(() => ids() === contents.length)
  expect(survivor.dispatcher).toBeDefined()
}
