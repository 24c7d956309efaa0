/** Very many events that wait. */
import { expect, test } from 'vitest'
import { parseRepositoryName } from '../../src/core/reference.ts'
import type { RegistryEvent } from '../../src/notifications/event.ts'
import { EventLog, SEGMENT_EVENTS } from '../../src/notifications/outbox/event-log.ts'
import { NO_OUTBOX_YET, outboxState } from '../../src/notifications/outbox/outbox-state.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { endpointFor, NotifyingProcess } from './outbox-under-test.ts'
import { until } from './support.ts'

const COUNT = 100_000

test('100,000 events that wait cost little memory, and delay no start', async () => {
  await using folder = await temporaryFolder()
  await using receiver = await EventReceiver.start()
  receiver.answer = (_, response) => response.writeHead(503).end()
  const driver = await FilesystemDriver.open({ root: folder.path })
  await fill(driver)
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const beganAt = performance.now()
  const endpoint = endpointFor({ url: receiver.url, backoffMs: 20, maxBackoffMs: 20 })
  await using registry = new NotifyingProcess({ driver, endpoints: [endpoint] })
  await until(() => endpoint.figures.failures > 20)
  expect(performance.now() - beganAt).toBeLessThan(10_000)
  expect(endpoint.figures.depth).toBeGreaterThan(COUNT - 1_000)
  // All of them would take some hundred megabytes.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(50 * 1024 ** 2)
  receiver.answer = (_, response) => response.end()
  await registry.pushBlob('new', 'bytes')
  await until(() => endpoint.figures.successes > 500)
})

async function fill(driver: FilesystemDriver): Promise<void> {
  const log = new EventLog(driver)
  const epoch = 1
  const segments = COUNT / SEGMENT_EVENTS
  for (let segment = 0; segment < segments; segment++) {
    const first = segment * SEGMENT_EVENTS
    await log.write(segment, { epoch }, { first, events: Array.from({ length: SEGMENT_EVENTS }, eventOf) })
  }
  await outboxState(driver).swap(
    {
      ...NO_OUTBOX_YET,
      ...{ epoch, next: segments, written: COUNT, epochs: [{ epoch, from: 0 }] },
      endpoints: { receiver: { segment: 0, index: 0 } },
    },
    undefined,
  )
}

function eventOf(_: unknown, index: number): RegistryEvent {
  return {
    ...{ id: crypto.randomUUID(), timestamp: new Date().toISOString(), action: 'push' },
    target: {
      ...{ kind: 'blob', repository: parseRepositoryName(`repository${index % 50}`), size: 1 },
      ...{ mediaType: 'application/octet-stream' },
    },
    request: {
      id: 'a',
      address: '127.0.0.1:1',
      host: 'localhost',
      method: 'PUT',
      userAgent: 'x'.repeat(200),
    },
    ...{ actor: '', source: { addr: 'host:5000', instanceID: 'one' } },
  }
}
