/** How the registry is, as its operators are told: from storage, whichever process works. */
import { expect, test } from 'vitest'
import { StoredOperations } from '../../../src/app/extension/operations.ts'
import { configOf } from '../../../src/config/load.ts'
import { writeLastCollection } from '../../../src/core/collection/last-collection.ts'
import { NOTHING_SCRUBBED, newScrub, scrubState } from '../../../src/core/scrub/scrub-state.ts'
import { operationsSummary } from '../../../src/http/handlers/extension/operations-answer.ts'
import { HeldEvents } from '../../../src/notifications/delivery/held-events.ts'
import type { RegistryEvent } from '../../../src/notifications/event.ts'
import { EventLog } from '../../../src/notifications/outbox/event-log.ts'
import { NO_OUTBOX_YET, outboxState } from '../../../src/notifications/outbox/outbox-state.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { basic, GuardedRegistry, rule } from '../../support/access.ts'
import { type HttpRegistry, refusal } from '../../support/http-registry.ts'

const PATH = '/v2/_entrepot/operations/summary'
const config = configOf({
  version: 0.1,
  storage: {
    inmemory: {},
    maintenance: {
      gc: { enabled: true, schedule: '0 3 * * *' },
      scrub: { enabled: true, schedule: 'never' },
    },
  },
  notifications: { endpoints: [{ name: 'ci', url: 'http://127.0.0.1:9/' }] },
})

const start = (driver = new MemoryDriver()) =>
  GuardedRegistry.start({
    driver,
    users: ['alice', 'bob', 'carol'],
    auth: { rules: [rule('**', 'alice', '*')], operators: ['group:ops', 'carol'], groups: { ops: ['bob'] } },
    operations: ({ storage }) => new StoredOperations(config, storage),
  })

const summaryOf = async ({ registry }: { registry: HttpRegistry }) => {
  const answer = await registry.send(`GET ${PATH}`, { headers: basic('bob') })
  expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store'])
  return operationsSummary.parse(JSON.parse(answer.body.toString()))
}

test('operators see how the registry is, and nobody else does', async () => {
  await using guarded = await start()
  const statusOf = async (user: string) =>
    (await guarded.registry.send(`GET ${PATH}`, { headers: basic(user) })).status
  expect([await statusOf('alice'), await statusOf('bob'), await statusOf('carol')]).toEqual([403, 200, 200])
  expect(refusal(await guarded.registry.send(`GET ${PATH}`))).toBe('401 UNAUTHORIZED')
  guarded.registry.access?.replaceRules({ rules: [], groups: {}, operators: ['alice'] })
  expect([await statusOf('alice'), await statusOf('bob')]).toEqual([200, 403])
  guarded.registry.access?.replaceRules({ groups: {} })
  expect(await statusOf('bob')).toBe(200)
})

test('a registry that has done nothing yet', async () => {
  await using guarded = await start()
  const { collection, scrub, endpoints, storage } = await summaryOf(guarded)
  expect(storage).toBe('inmemory')
  expect(collection).toEqual({ enabled: true, phase: 'idle', last: null, nextAt: expect.any(String) })
  expect(scrub).toEqual({ enabled: true, nextAt: null, phase: 'idle', startedAt: null, totals: null })
  expect(endpoints).toEqual([])
})

test('the last collection, a scrub under way, and endpoints that wait', async () => {
  const driver = new MemoryDriver()
  const startedAt = '2026-11-29T10:00:00.000Z'
  const last = {
    ...{ startedAt, endedAt: startedAt, deletedBlobs: 3 },
    deletedBytes: 4,
    removedManifests: 1,
    findings: 2,
  }
  await writeLastCollection(driver, last)
  const totals = { ...NOTHING_SCRUBBED, blobs: 7, findings: 1 }
  await scrubState(driver).swap({ ...newScrub(1, new Date(startedAt)), totals }, undefined)
  const event = { id: 'e1', timestamp: startedAt, target: { repository: 'a' } } as RegistryEvent
  const events = [{ ...event, timestamp: '2026-11-29T09:00:00.000Z' }, event, event]
  await new EventLog(driver).write(0, { epoch: 1 }, { first: 0, events })
  await outboxState(driver).swap(
    {
      ...{ ...NO_OUTBOX_YET, next: 1, written: 3, epochs: [{ epoch: 1, from: 0 }] },
      endpoints: { ci: { segment: 0, index: 1 }, old: { segment: 1, index: 0, off: 'it answered 410' } },
    },
    undefined,
  )
  const held = new HeldEvents(driver, 'ci')
  await held.add(event, { segment: 0, index: 0 })
  await held.bury(event, 'refused')
  await using guarded = await start(driver)
  const summary = await summaryOf(guarded)
  expect(summary.collection.last).toEqual(last)
  expect(summary.scrub).toMatchObject({ phase: 'blobs', startedAt, totals })
  expect(summary.endpoints).toEqual([
    { name: 'ci', waiting: 2, oldestAt: startedAt, heldRepositories: 1, deadLetters: 1, off: null },
    { name: 'old', waiting: 0, oldestAt: null, heldRepositories: 0, deadLetters: 0, off: 'it answered 410' },
  ])
})
