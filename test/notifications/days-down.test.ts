/** Receivers that are down for days: the clock is moved. */
import { afterEach, expect, test, vi } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { type EndpointSummary, OutboxAdmin } from '../../src/notifications/admin.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { endpointFor, NotifyingProcess } from './outbox-under-test.ts'
import { until } from './support.ts'

afterEach(() => {
  vi.useRealTimers()
})

const DAY_MS = 24 * 3_600_000

test('a receiver that is down for days is told, by another process and in order, or finds dead letters', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const driver = new MemoryDriver()
  await using receiver = await EventReceiver.start()
  receiver.answer = (_, response) => response.writeHead(503).end()
  // Until the threshold events wait in the log alone.
  const endpoint = (threshold: number) =>
    endpointFor({ url: receiver.url, deadLetterMs: 7 * DAY_MS, threshold })
  const contents = ['one', 'two', 'three']
  const digests = contents.map((content) => digestOf(Buffer.from(content)))
  {
    const first = endpoint(1_000)
    await using before = new NotifyingProcess({ driver, endpoints: [first] })
    await until(() => before.dispatcher?.isDelivering === true)
    for (const content of contents) await before.pushBlob('a', content)
    await until(() => first.figures.failures > 4)
  }
  const [{ id } = { id: '' }] = receiver.events
  // Much longer than what was delivered is kept.
  vi.setSystemTime(Date.now() + 6 * DAY_MS)
  const second = endpoint(3)
  await using after = new NotifyingProcess({ driver, endpoints: [second] })
  await until(() => second.figures.failures > 4)
  receiver.forget()
  receiver.answer = (_, response) => response.end()
  await until(() => second.figures.successes === 3)
  expect(receiver.events.map(({ target }) => target.digest)).toEqual(digests)
  expect(receiver.events[0]?.id).toBe(id)

  receiver.answer = (_, response) => response.writeHead(503).end()
  for (const content of contents) await after.pushBlob('b', content)
  await until(() => second.figures.failures > 8)
  vi.setSystemTime(Date.now() + 8 * DAY_MS)
  await until(() => second.figures.deadLetters === 3)
  const summaries: EndpointSummary[] = []
  for await (const one of new OutboxAdmin(driver).endpoints()) summaries.push(one)
  const [summary] = summaries
  expect(summary?.dead.map(({ event }) => event.target.digest).sort()).toEqual([...digests].sort())
  expect(summary?.held).toEqual([])
})
