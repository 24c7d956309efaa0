/** How receivers are told: what is tried again, what waits, and what is given up. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { HTTP } from 'cloudevents'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Entry } from '../../src/core/storage-driver.ts'
import { OutboxAdmin } from '../../src/notifications/admin.ts'
import { ENCODERS } from '../../src/notifications/formats/encoders.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { EventReceiver, eventsIn } from '../support/event-receiver.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { type EndpointParts, endpointFor, NotifyingProcess } from './outbox-under-test.ts'
import { until } from './support.ts'

interface Parts extends Omit<EndpointParts, 'url'> {
  readonly log?: RecordedLog
  readonly driver?: MemoryDriver
}

async function start(parts: Parts = {}) {
  const { log, driver = new MemoryDriver(), ...rest } = parts
  const stack = new AsyncDisposableStack()
  const receiver = stack.use(await EventReceiver.start())
  const endpoint = endpointFor({ url: receiver.url, ...rest })
  const registry = stack.use(
    new NotifyingProcess({ driver, endpoints: [endpoint], ...(log && { log: log.log }) }),
  )
  await until(() => registry.dispatcher?.isDelivering === true)
  return { receiver, registry, driver, endpoint, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test.each([500, 400, 302, 429])(
  'an answer %i is a failure: the event comes again under its id',
  async (status) => {
    await using run = await start()
    const { receiver, registry, endpoint } = run
    receiver.answer = (_, response) => {
      const isBack = receiver.posts.length > 2
      response.writeHead(isBack ? 200 : status, { location: '/elsewhere' }).end()
    }
    await registry.pushBlob('a', 'bytes')
    await until(() => endpoint.figures.successes === 1)
    expect(new Set(receiver.events.map(({ id }) => id)).size).toBe(1)
    expect(endpoint.figures).toMatchObject({ successes: 1, failures: 2 })
    expect(receiver.posts).toHaveLength(3)
  },
)

test('a receiver that resets, stalls, or is slow is asked again', async () => {
  await using run = await start({ sender: { timeoutMs: 200 } })
  const { receiver, registry, endpoint } = run
  const answers = [
    (response: { destroy(): void }) => response.destroy(),
    () => {},
    (response: { end(): void }) => response.end(),
  ]
  receiver.answer = (_, response) => answers[receiver.posts.length - 1]?.(response)
  await registry.pushBlob('a', 'bytes')
  await until(() => endpoint.figures.successes === 1)
  expect(endpoint.figures).toMatchObject({ successes: 1, errors: 2 })
})

test('a receiver that comes back is told everything, in order of each repository', async () => {
  await using run = await start()
  const { receiver, registry, endpoint } = run
  await receiver.close()
  const names = Array.from({ length: 10 }, (_, index) => `repository${index}`)
  for (let round = 0; round < 5; round++)
    await Promise.all(names.map((name) => registry.pushBlob(name, `${round}`)))
  await until(() => endpoint.figures.errors > 12)
  await using back = await EventReceiver.start(receiver.port)
  await until(() => endpoint.figures.successes === 50)
  const expected = Array.from({ length: 5 }, (_, round) => digestOfText(`${round}`))
  for (const name of names) {
    const told = back.events.filter(({ target }) => target.repository === name)
    expect(told.map(({ target }) => target.digest)).toEqual(expected)
  }
})

test('an event that fails holds back its own repository only, and then comes first', async () => {
  await using run = await start()
  const { receiver, registry, endpoint } = run
  let isBroken = true
  receiver.answer = ({ body }, response) => {
    const isBad = eventsIn(body)[0]?.target.repository === 'bad'
    response.writeHead(isBad && isBroken ? 500 : 200).end()
  }
  await registry.pushBlob('bad', 'first')
  await until(() => endpoint.figures.failures > 4)
  for (const content of ['second', 'third']) await registry.pushBlob('bad', content)
  for (let count = 0; count < 20; count++) await registry.pushBlob('good', `${count}`)
  await until(() => endpoint.figures.successes === 20)
  receiver.forget()
  isBroken = false
  await until(() => endpoint.figures.successes === 23)
  const told = receiver.events.filter(({ target }) => target.repository === 'bad')
  expect(told.map(({ target }) => target.digest)).toEqual(['first', 'second', 'third'].map(digestOfText))
})

/** Keeps the answer to a look at what is held, that found nothing, until it is let go. */
class SlowLooks extends MemoryDriver {
  readonly looked = Promise.withResolvers<void>()
  readonly go = Promise.withResolvers<void>()
  stored = Promise.withResolvers<void>()
  isArmed = false

  override async put(...parameters: Parameters<MemoryDriver['put']>): Promise<void> {
    await super.put(...parameters)
    if (this.isArmed || !parameters[0].includes('/held/')) return
    await nextTurn()
    this.stored.resolve()
  }

  override async *list(...parameters: Parameters<MemoryDriver['list']>): AsyncIterable<Entry> {
    const found: Entry[] = []
    for await (const entry of super.list(...parameters)) found.push(entry)
    if (this.isArmed && found.length === 0 && parameters[0].includes('/held/')) {
      this.isArmed = false
      this.looked.resolve()
      await this.go.promise
    }
    yield* found
  }
}

test('an event that comes while the last of those that are held is told is not lost', async () => {
  const driver = new SlowLooks()
  await using run = await start({ driver })
  const { receiver, registry, endpoint } = run
  let isBack = false
  receiver.answer = (_, response) => response.writeHead(isBack ? 200 : 500).end()
  await registry.pushBlob('a', 'first')
  await until(() => endpoint.figures.failures > 4)
  driver.isArmed = true
  driver.stored = Promise.withResolvers()
  isBack = true
  await driver.looked.promise
  await registry.pushBlob('a', 'second')
  await driver.stored.promise
  driver.go.resolve()
  await until(() => endpoint.figures.successes === 2)
})

test('what can’t be delivered in time is a dead letter, which can be revived', async () => {
  await using run = await start({ deadLetterMs: 300 })
  const { receiver, registry, driver, endpoint } = run
  receiver.answer = (_, response) => response.writeHead(503).end()
  await registry.pushBlob('a', 'bytes')
  await until(() => endpoint.figures.deadLetters === 1)
  const admin = new OutboxAdmin(driver)
  const [summary] = await summaries(admin)
  const [letter] = summary?.dead ?? []
  expect(letter).toMatchObject({ reason: '503', endpoint: 'receiver' })
  expect(await admin.find(letter?.event.id ?? '')).toMatchObject({ event: { id: letter?.event.id } })
  receiver.answer = (_, response) => response.end()
  expect(await admin.ask({ kind: 'revive', endpoint: 'receiver' })).toBe(true)
  await until(() => endpoint.figures.successes === 1)
  expect(receiver.events.at(-1)?.id).toBe(letter?.event.id)
  expect((await summaries(admin))[0]?.dead).toEqual([])
})

test('what was delivered is delivered again when that is asked for, under the same ids', async () => {
  await using run = await start()
  const { receiver, registry, driver, endpoint } = run
  for (const content of ['one', 'two']) await registry.pushBlob('a', content)
  await until(() => endpoint.figures.successes === 2)
  const before = receiver.events.map(({ id }) => id)
  const since = new Date(Date.now() - 60_000).toISOString()
  await new OutboxAdmin(driver).ask({ kind: 'replay', endpoint: 'receiver', since })
  await until(() => endpoint.figures.successes === 4)
  expect(receiver.events.slice(2).map(({ id }) => id)).toEqual(before)
})

test('what waits is dropped when that is asked for', async () => {
  await using run = await start()
  const { receiver, registry, driver, endpoint } = run
  receiver.answer = (_, response) => response.writeHead(500).end()
  for (const name of ['a', 'b', 'c']) await registry.pushBlob(name, 'bytes')
  await until(() => endpoint.figures.failures > 12)
  const admin = new OutboxAdmin(driver)
  expect(await admin.ask({ kind: 'drop', endpoint: 'receiver' })).toBe(true)
  receiver.answer = (_, response) => response.end()
  receiver.forget()
  await registry.pushBlob('d', 'bytes')
  await until(() => endpoint.figures.successes === 1)
  expect(receiver.events.map(({ target }) => target.repository)).toEqual(['d'])
})

const SECRETS = [Buffer.alloc(32, 1), Buffer.alloc(24, 2)]

test('signatures are those of Standard Webhooks, one for each secret', async () => {
  await using run = await start({ sender: { secrets: async () => SECRETS } })
  const { receiver, registry } = run
  await registry.pushBlob('a', 'bytes')
  await until(() => receiver.posts.length === 1)
  const [{ headers, body }] = receiver.posts as [(typeof receiver.posts)[0]]
  for (const secret of SECRETS) {
    const webhook = new Webhook(secret.toString('base64'))
    expect(webhook.verify(body.toString(), headers as Record<string, string>)).toBeDefined()
  }
  const other = new Webhook(Buffer.alloc(32, 3).toString('base64'))
  expect(() => other.verify(body.toString(), headers as Record<string, string>)).toThrow()
  expect(headers['webhook-id']).toBe(receiver.events[0]?.id)
})

test.each(['cloudevents', 'cloudevents-binary'] as const)('%s are read by the SDK', async (format) => {
  await using run = await start({ sender: { encode: ENCODERS[format] } })
  const { receiver, registry } = run
  const digest = await registry.pushImage('team/app', 'latest')
  await until(() => receiver.posts.length === 2)
  const { headers, body } = receiver.posts.at(-1) as (typeof receiver.posts)[0]
  const event = HTTP.toEvent({ headers, body: body.toString() })
  expect(event).toMatchObject({
    specversion: '1.0',
    type: 'io.entrepot.manifest.push',
    source: '//host:5000',
    subject: 'team/app:latest',
    data: { action: 'push', target: { digest, tag: 'latest' } },
  })
})

test.each([
  ['repositories', { repositories: ['team/**'] }, ['push team/app', 'delete team/app']],
  ['actions', { actions: ['delete'] }, ['delete other', 'delete team/app']],
  ['ignored actions', { ignoredActions: ['delete'] }, ['push other', 'push team/app']],
  ['media types', { mediaTypes: ['application/none'] }, ['delete other', 'delete team/app']],
  [
    'ignored media types',
    { ignoredMediaTypes: ['application/octet-stream'] },
    ['delete other', 'delete team/app'],
  ],
])('an endpoint is told of the %s that it wants', async (_, subscription, expected) => {
  await using run = await start({ subscription })
  const { receiver, registry } = run
  for (const name of ['team/app', 'other'] as const) {
    const digest = await registry.pushBlob(name, 'bytes')
    await registry.registry.repository(name as never).blobs.delete(digest)
  }
  await until(() => receiver.events.length >= expected.length)
  const told = receiver.events.map(({ action, target }) => `${action} ${target.repository}`)
  expect(told.sort()).toEqual([...expected].sort())
})

test('credentials are sent, and never logged', async () => {
  const log = await RecordedLog.start()
  await using receiver = await EventReceiver.start()
  const url = receiver.url.replace('http://', 'http://user:hunter2@')
  const endpoint = endpointFor({
    url,
    sender: { headers: { 'X-Token': ['hunter2'] }, encode: ENCODERS.distribution3 },
    deadLetterMs: 300,
  })
  await using registry = new NotifyingProcess({
    driver: new MemoryDriver(),
    endpoints: [endpoint],
    log: log.log,
  })
  receiver.answer = (_, response) => response.writeHead(500).end()
  await registry.pushBlob('a', 'bytes')
  await until(() => endpoint.figures.deadLetters === 1)
  await receiver.close()
  await registry.pushBlob('a', 'more')
  await until(() => endpoint.figures.errors > 0)
  expect(receiver.posts[0]?.headers).toMatchObject({
    'x-token': 'hunter2',
    authorization: `Basic ${Buffer.from('user:hunter2').toString('base64')}`,
  })
  expect(log.lines.length).toBeGreaterThan(1)
  expect(log.lines.join('')).not.toContain('hunter2')
})

function digestOfText(text: string): string {
  return digestOf(Buffer.from(text))
}

async function summaries(admin: OutboxAdmin) {
  const found = []
  for await (const summary of admin.endpoints()) found.push(summary)
  return found
}
