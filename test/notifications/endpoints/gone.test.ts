/** Endpoints that answer 410: they are told nothing any more, until an operator says otherwise. */
import { expect, test } from 'vitest'
import { OutboxAdmin } from '../../../src/notifications/admin.ts'
import type { OutboxRequest } from '../../../src/notifications/outbox/request.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { EventReceiver } from '../../support/event-receiver.ts'
import { endpointFor, NotifyingProcess } from '../outbox-under-test.ts'
import { until } from '../support.ts'

async function start(driver: MemoryDriver, url: string) {
  const endpoint = endpointFor({ url, deadLetterMs: 300 })
  const registry = new NotifyingProcess({ driver, endpoints: [endpoint] })
  await until(() => registry.dispatcher?.isDelivering === true)
  return { endpoint, registry }
}

/** One that has a dead letter of repository `dead`, and was switched off by an event of repository `gone`. */
async function switchedOff() {
  const stack = new AsyncDisposableStack()
  const receiver = stack.use(await EventReceiver.start())
  const driver = new MemoryDriver()
  const { endpoint, registry } = await start(driver, receiver.url)
  stack.use(registry)
  receiver.answer = (_, response) => response.writeHead(500).end()
  await registry.pushBlob('dead', 'bytes')
  await until(() => endpoint.figures.deadLetters === 1)
  receiver.answer = (_, response) => response.writeHead(410).end()
  await registry.pushBlob('gone', 'bytes')
  await until(() => endpoint.figures.off !== undefined)
  receiver.forget()
  receiver.answer = (_, response) => response.end()
  const ask = (request: OutboxRequest) => new OutboxAdmin(driver).ask(request)
  const told = () => receiver.events.map(({ target }) => target.repository).sort()
  return {
    receiver,
    driver,
    registry,
    endpoint,
    ask,
    told,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function reasonOf(driver: MemoryDriver): Promise<string | undefined> {
  for await (const { off } of new OutboxAdmin(driver).endpoints()) return off
  return undefined
}

test('an endpoint that is switched off is told nothing, by whichever process', async () => {
  await using run = await switchedOff()
  const { receiver, driver, registry, told } = run
  await registry.pushBlob('a', 'more')
  await registry[Symbol.asyncDispose]()
  const next = await start(driver, receiver.url)
  await using _ = next.registry
  expect(next.endpoint.figures.off).toContain('410')
  await next.registry.pushBlob('a', 'even more')
  expect(told()).toEqual([])
})

test('another URL switches it on, and it is told what was waiting', async () => {
  await using run = await switchedOff()
  const { receiver, driver, registry, told } = run
  await registry[Symbol.asyncDispose]()
  const next = await start(driver, `${receiver.url}/elsewhere`)
  await using _ = next.registry
  await until(() => told().includes('gone'))
})

test('a replay switches it on', async () => {
  await using run = await switchedOff()
  const since = new Date(Date.now() - 60_000).toISOString()
  expect(await run.ask({ kind: 'replay', endpoint: 'receiver', since })).toBe(true)
  await until(() => new Set(run.told()).size === 2)
  expect(run.endpoint.figures.off).toBeUndefined()
})

test('a replay of dead letters switches it on, and it is told what was waiting as well', async () => {
  await using run = await switchedOff()
  expect(await run.ask({ kind: 'revive', endpoint: 'receiver', id: 'none of them' })).toBe(true)
  expect(await reasonOf(run.driver)).toContain('410')
  expect(await run.ask({ kind: 'revive', endpoint: 'receiver' })).toBe(true)
  await until(() => run.told().length === 2)
  expect(run.told()).toEqual(['dead', 'gone'])
})

test('what waits for it can be dropped, which does not switch it on', async () => {
  await using run = await switchedOff()
  expect(await run.ask({ kind: 'drop', endpoint: 'receiver' })).toBe(true)
  expect(await reasonOf(run.driver)).toContain('410')
  await run.registry.pushBlob('a', 'more')
  expect(await run.ask({ kind: 'revive', endpoint: 'receiver' })).toBe(true)
  await until(() => run.told().length === 2)
  expect(run.told()).toEqual(['a', 'dead'])
})
