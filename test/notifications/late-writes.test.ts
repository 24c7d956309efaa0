/** A request to a bucket that was given up may arrive later: what it changes is told then. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { RequestScope } from '../../src/core/notifications/request-scope.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { EventFactory, type RegistryEvent } from '../../src/notifications/event.ts'
import { Journal } from '../../src/notifications/outbox/journal.ts'
import { Journals } from '../../src/notifications/outbox/journals.ts'
import { UNSETTLED } from '../../src/notifications/outbox/paths.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { filesIn, pushBlob } from '../contract/registry/support.ts'
import { quiet } from '../support/http-registry.ts'

const name = parseRepositoryName('a')
const SETTLED_MS = 1_000_000
const events = new EventFactory({ addr: 'host:5000', instanceID: 'one' }, new RequestScope())

let driver: MemoryDriver
let registry: StoredRegistry
let journal: Journal
let elapsedMs = 0

beforeEach(() => {
  driver = new MemoryDriver()
  registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, cache: NO_CACHE, log: quiet })
  journal = new Journal({
    ...{ storage: driver, log: quiet, onFailure: 'refuse' },
    timing: { leaseMs: 60_000, beatMs: 20_000, gatherMs: 1 },
  })
  elapsedMs = 0
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + elapsedMs)
})

afterEach(async () => {
  vi.restoreAllMocks()
  await registry.close()
})

function pushOf(content: string): RegistryEvent {
  const digest = digestOf(Buffer.from(content))
  const target = { mediaType: 'application/octet-stream', size: content.length, digest }
  return events.create('push', { kind: 'blob', repository: name, ...target })
}

/** A push that ends with an error although nothing says that it has failed. */
async function givenUp(content: string, outcome: 'unknown' | 'happened' = 'unknown'): Promise<string> {
  const event = pushOf(content)
  const announced = journal.announce(event)
  await announced.durable
  await announced.end(outcome)
  return event.id
}

const reader = () =>
  new Journals(
    {
      ...{ storage: driver, registry, log: quiet, leaseMs: 60_000 },
      settling: { firstMs: 1_000, settledMs: SETTLED_MS },
    },
    {},
  )

/** @param isCut true if the process ends before it tidies up */
async function look(journals: Journals, { isCut = false } = {}): Promise<string[]> {
  const ids: string[] = []
  for (let count = 0; count < 3; count++) {
    ids.push(...(await journals.look()).map(({ id }) => id))
    if (!isCut) await journals.removeMerged()
  }
  return ids
}

const unsettled = async () => Object.keys(await filesIn(driver, UNSETTLED)).length

test('a write that arrives late is told once', async () => {
  const journals = reader()
  const id = await givenUp('late')
  await journal.close()
  expect([await look(journals), await unsettled()]).toEqual([[], 1])
  elapsedMs += 1_500
  expect(await look(journals)).toEqual([])
  await pushBlob(registry.repository(name), 'late')
  elapsedMs += 100_000
  expect([await look(journals), await unsettled()]).toEqual([[id], 0])
  elapsedMs += 100_000
  expect(await look(journals)).toEqual([])
})

test('the process that looks next goes on, and tells what the last one may not have told', async () => {
  const id = await givenUp('late')
  await journal.close()
  expect(await look(reader())).toEqual([])
  const next = reader()
  expect(await look(next)).toEqual([])
  await pushBlob(registry.repository(name), 'late')
  elapsedMs += 100_000
  expect(await look(next, { isCut: true })).toEqual([id])
  const last = reader()
  const first = await look(last)
  elapsedMs += 100_000
  expect([...first, ...(await look(last))]).toEqual([id])
})

test('what never arrives is forgotten', async () => {
  const journals = reader()
  await givenUp('never')
  await journal.close()
  expect(await look(journals)).toEqual([])
  elapsedMs += SETTLED_MS + 1_000
  expect([await look(journals), await unsettled()]).toEqual([[], 0])
  await pushBlob(registry.repository(name), 'never')
  elapsedMs += SETTLED_MS
  expect(await look(journals)).toEqual([])
})

test('a client that tries again is told of once', async () => {
  const journals = reader()
  await givenUp('again')
  await givenUp('other')
  await expect.poll(() => look(journals)).toEqual([])
  await expect.poll(async () => [await look(journals), await unsettled()]).toEqual([[], 2])
  const again = await givenUp('again', 'happened')
  await journal.close()
  await pushBlob(registry.repository(name), 'again')
  expect([await look(journals), await unsettled()]).toEqual([[again], 1])
  elapsedMs += 100_000
  expect(await look(journals)).toEqual([])
})
