import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as immediate } from 'node:timers/promises'
import { Agent } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readAnswer } from '../authorization.ts'
import { type Answer, dispatch } from './dispatch.ts'

const content = Buffer.alloc(3_000_000, 'content')
const server = createServer((_, response) => respond(response))
let respond: (response: ServerResponse) => void
let agent: Agent
beforeEach(async () => {
  agent = new Agent()
  respond = (response) => response.end(content)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  await agent.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function get(signal?: AbortSignal): Promise<Answer> {
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return dispatch(agent, { origin, path: '/', method: 'GET' }, signal)
}

function nextEndOfConnection(): Promise<void> {
  return new Promise((resolve) => {
    server.once('connection', (socket) => socket.on('error', () => {}).once('close', () => resolve()))
  })
}

test('is passed on whole, however slowly it is taken', async () => {
  const { body } = await get()
  const taken: Buffer[] = []
  let isFull = false
  await body.passTo((chunk) => {
    expect(isFull).toBe(false)
    taken.push(Buffer.from(chunk))
    isFull = taken.length % 3 === 0
    if (!isFull) return undefined
    return new Promise((resolve) =>
      setImmediate(() => {
        isFull = false
        resolve()
      }),
    )
  })
  expect(Buffer.concat(taken).equals(content)).toBe(true)
})

test('is iterated whole', async () => {
  expect((await buffer((await get()).body)).equals(content)).toBe(true)
})

test('that nobody takes any more ends its connection', async () => {
  const closed = nextEndOfConnection()
  const { body } = await get()
  await expect(
    body.passTo(() => {
      throw new Error('full')
    }),
  ).rejects.toThrow('full')
  await closed
})

test('that breaks is an error, by either way of reading', async () => {
  respond = (response) => {
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, 1000), () => response.destroy())
  }
  await expect((await get()).body.passTo(() => undefined)).rejects.toThrow()
  await expect(buffer((await get()).body)).rejects.toThrow()
})

test('ends with the reason of its signal', async () => {
  respond = (response) => {
    response.writeHead(200, { 'content-length': content.length })
    response.write('c')
  }
  const controller = new AbortController()
  const { body } = await get(controller.signal)
  const reading = body.passTo(() => undefined)
  controller.abort(new Error('enough'))
  await expect(reading).rejects.toThrow('enough')
  await expect(get(controller.signal)).rejects.toThrow('enough')
})

test('of which little is left is dumped, and its connection is used again', async () => {
  respond = (response) => response.end('little')
  let connections = 0
  server.on('connection', () => connections++)
  for (let round = 0; round < 2; round++) {
    await (await get()).body.dump(100)
    await immediate() // undici looks at a connection before it uses it again
  }
  expect(connections).toBe(1)
})

test('that drips is not read for ever', async () => {
  respond = (response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('c')
  }
  const closed = nextEndOfConnection()
  await expect(readAnswer(await get(), 1_000, 50)).rejects.toMatchObject({ code: 'TIMEOUT' })
  await closed
})

test('that drips is not dumped for long', async () => {
  respond = (response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('c')
  }
  const closed = nextEndOfConnection()
  await (await get()).body.dump(1_000)
  await closed
})
