/** How receivers are told of pulls: at a bounded cost, and as far as that goes. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Pull } from '../../src/core/notifications/pull-observer.ts'
import { type RequestOrigin, RequestScope } from '../../src/core/notifications/request-scope.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { EventFactory } from '../../src/notifications/event.ts'
import { ENCODERS } from '../../src/notifications/formats/encoders.ts'
import { PullDelivery } from '../../src/notifications/pulls/pull-delivery.ts'
import { PullRing } from '../../src/notifications/pulls/pull-ring.ts'
import { EventReceiver, eventsIn } from '../support/event-receiver.ts'
import { type EndpointParts, endpointFor } from './outbox-under-test.ts'
import { until } from './support.ts'

async function start({
  includeReferences = false,
  ...parts
}: Omit<EndpointParts, 'url'> & { includeReferences?: boolean } = {}) {
  const stack = new AsyncDisposableStack()
  const receiver = stack.use(await EventReceiver.start())
  const endpoint = endpointFor({ url: receiver.url, ...parts })
  const events = new EventFactory({ addr: 'host:5000', instanceID: 'one' }, new RequestScope())
  const delivery = new PullDelivery([endpoint], { events, includeReferences })
  stack.defer(async () => {
    await delivery.stop()
    await endpoint.sender.close()
  })
  const pull = (number: number) => delivery.pulled(pullOf(number), () => originOf(number))
  return { receiver, endpoint, delivery, pull, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function pullOf(number: number, payload?: Uint8Array): Pull {
  const digest = digestOf(Buffer.from(`${number}`))
  return {
    ...{ kind: 'blob', isHead: false, repository: parseRepositoryName(`r${number % 3}`) },
    ...{ tag: undefined, payload },
    descriptor: { mediaType: 'application/octet-stream', digest, size: number + 1 },
  }
}

function originOf(number: number): RequestOrigin {
  return {
    ...{ id: `request ${number}`, address: '127.0.0.1:1', host: 'registry.test', method: 'GET' },
    ...{ userAgent: 'client', actor: 'me', baseUrl: 'http://registry.test' },
  }
}

test('pulls share a request, each as an event of its own', async () => {
  await using run = await start()
  const { receiver, endpoint, pull } = run
  const before = new Date().toISOString()
  for (let number = 0; number < 500; number++) pull(number)
  await until(() => endpoint.figures.successes === 500)
  expect(receiver.posts.map(({ body }) => eventsIn(body).length)).toEqual([200, 200, 100])
  expect(new Set(receiver.events.map(({ id }) => id)).size).toBe(500)
  const [, , third] = receiver.events
  const { digest } = pullOf(2).descriptor
  expect(third).toMatchObject({
    action: 'pull',
    target: { repository: 'r2', digest, size: 3, url: `http://registry.test/v2/r2/blobs/${digest}` },
    request: { id: 'request 2', addr: '127.0.0.1:1', method: 'GET' },
    actor: { name: 'me' },
  })
  expect(String(third?.timestamp) >= before).toBe(true)
})

test.each(['cloudevents', 'cloudevents-binary'] as const)(
  'as %s each pull has its request',
  async (format) => {
    await using run = await start({ sender: { encode: ENCODERS[format], takesSeveral: false } })
    const { receiver, endpoint, pull } = run
    for (let number = 0; number < 5; number++) pull(number)
    await until(() => endpoint.figures.successes === 5)
    expect(receiver.posts).toHaveLength(5)
  },
)

test('what a failed request told of is told again, under the same ids; after three attempts it is dropped', async () => {
  await using run = await start()
  const { receiver, endpoint, pull } = run
  receiver.answer = (_, response) => response.writeHead(receiver.posts.length === 1 ? 500 : 200).end()
  for (let number = 0; number < 3; number++) pull(number)
  await until(() => endpoint.figures.successes === 3)
  const [first, second] = receiver.posts.map(({ body }) => body)
  expect(second).toEqual(first)
  receiver.answer = (_, response) => response.writeHead(500).end()
  pull(4)
  await until(() => endpoint.figures.droppedPulls === 1)
  expect(endpoint.figures).toMatchObject({ events: 4, successes: 3, failures: 6 })
})

test('an endpoint that answers 410 is not asked again at once', async () => {
  await using run = await start({ maxBackoffMs: 60_000 })
  const { receiver, endpoint, pull } = run
  receiver.answer = (_, response) => response.writeHead(410).end()
  pull(0)
  await until(() => endpoint.figures.droppedPulls === 1)
  pull(1)
  pull(2)
  expect(receiver.posts).toHaveLength(1)
  expect(endpoint.figures.events).toBe(1)
})

test('an endpoint that answered 410 is asked again later', async () => {
  await using run = await start({ maxBackoffMs: 1 })
  const { receiver, endpoint, pull } = run
  receiver.answer = (_, response) => response.writeHead(receiver.posts.length === 1 ? 410 : 200).end()
  pull(0)
  await until(() => endpoint.figures.droppedPulls === 1)
  await until(() => {
    pull(1)
    return endpoint.figures.successes > 0
  })
})

test('more pulls than fit into memory are dropped, and counted', async () => {
  await using run = await start()
  const { endpoint, pull } = run
  for (let number = 0; number < 10_500; number++) pull(number)
  expect(endpoint.figures.droppedPulls).toBe(500)
})

test('manifests that wait take bounded memory', async () => {
  await using run = await start({ includeReferences: true })
  const { endpoint, delivery } = run
  const payload = Buffer.alloc(4 * 1024 * 1024)
  for (let number = 0; number < 10; number++) delivery.pulled(pullOf(number, payload), () => originOf(number))
  expect(endpoint.figures.droppedPulls).toBe(6)
  await delivery.stop()
})

test('no origin is asked for if nobody wants to hear of the pull', async () => {
  await using run = await start({ subscription: { repositories: ['other/**'] } })
  run.delivery.pulled(pullOf(1), () => {
    throw new Error('asked')
  })
  expect(run.endpoint.figures.droppedPulls).toBe(0)
})

test('a ring gives back what was put in, in order, however often it goes round', () => {
  const ring = new PullRing({ pulls: 3, payloadBytes: 100 })
  const given: number[] = []
  let next = 0
  for (let round = 0; round < 5; round++) {
    while (!ring.isFull) ring.push(pullOf(next, Buffer.alloc(1)), originOf(next++))
    for (let count = 0; count < 2; count++) given.push((ring.shift()?.pull.descriptor.size ?? 0) - 1)
  }
  expect(given).toEqual([...given.keys()])
  expect(ring.size).toBe(1)
  ring.shift()
  expect(ring.shift()).toBeUndefined()
})
