/** One request to a receiver, whatever that does. */
import type { ServerResponse } from 'node:http'
import { Agent } from 'undici'
import { expect, test } from 'vitest'
import { attempt } from '../../src/notifications/delivery/attempt.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { until } from './support.ts'

interface Attempts extends AsyncDisposable {
  readonly receiver: EventReceiver
  readonly stopping: AbortController
  send(timeoutMs?: number): Promise<number>
}

/** Attempts over one connection. */
async function start(answer: (response: ServerResponse) => void): Promise<Attempts> {
  const stack = new AsyncDisposableStack()
  const receiver = stack.use(await EventReceiver.start())
  receiver.answer = (_, response) => answer(response)
  const agent = stack.adopt(new Agent({ connections: 1, pipelining: 1 }), (opened) => opened.destroy())
  const stopping = new AbortController()
  return {
    ...{ receiver, stopping },
    send: (timeoutMs = 20_000) =>
      attempt(
        agent,
        { origin: new URL(receiver.url).origin, path: '/events', method: 'POST', body: '{}' },
        { timeoutMs, signal: stopping.signal },
      ),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

test('a status is what counts, and the connection is used again', async () => {
  const used = new Set<unknown>()
  await using run = await start((response) => {
    used.add(response.socket)
    response.writeHead(202).end('thanks')
  })
  expect(await run.send()).toBe(202)
  expect(await run.send()).toBe(202)
  expect(used.size).toBe(1)
})

test('an answer that says enough and never ends is one, and so is one that is too long', async () => {
  await using run = await start((response) => response.writeHead(200).write('…'))
  expect(await run.send(500)).toBe(200)
  run.receiver.answer = (_, response) => response.writeHead(500).end('x'.repeat(1024 * 1024))
  expect(await run.send()).toBe(500)
})

test('an attempt that gets no connection in time is not sent later', async () => {
  await using run = await start(() => {})
  const first = run.send()
  await until(() => run.receiver.posts.length === 1)
  await expect(run.send(100)).rejects.toThrow('took too long')
  const reason = new Error('stopped')
  run.stopping.abort(reason)
  await expect(first).rejects.toBe(reason)
  await expect(run.send()).rejects.toBe(reason)
  expect(run.receiver.posts).toHaveLength(1)
})

test('what can’t be sent is an error of the attempt', async () => {
  await using run = await start((response) => response.end())
  await run.receiver.close()
  await expect(run.send()).rejects.toThrow('ECONNREFUSED')
  const agent = new Agent()
  const request = attempt(
    agent,
    { origin: 'http://127.0.0.1:1', path: 'no path', method: 'POST' },
    { timeoutMs: 20_000, signal: new AbortController().signal },
  )
  await expect(request).rejects.toThrow('path')
  await agent.destroy()
})
