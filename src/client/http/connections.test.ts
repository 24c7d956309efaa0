import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as immediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeCertificate } from '../../../test/support/certificates.ts'
import { readAnswer } from '../authorization.ts'
import { openAdaptiveConnections } from './adaptive-connections.ts'
import type { Answer, ConnectionOptions, Connections, HttpRequest } from './connections.ts'
import { openNodeConnections } from './node-connections.ts'
import { openUndiciConnections } from './undici-connections.ts'

const content = Buffer.alloc(3_000_000, 'content')
const TIMING = { connectMs: 5_000, headMs: 5_000, bodyMs: 5_000 }
const server = createServer((request, response) => respond(response, request))
let respond: (response: ServerResponse, request: IncomingMessage) => void
beforeEach(async () => {
  respond = (response) => response.end(content)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function nextEndOfConnection(): Promise<void> {
  return new Promise((resolve) => {
    server.once('connection', (socket) => socket.on('error', () => {}).once('close', () => resolve()))
  })
}

describe.each([
  ['undici', openUndiciConnections],
  ['Node', openNodeConnections],
  ['both', openAdaptiveConnections],
])('connections of %s', (_, open) => {
  let connections: Connections
  const opened: Connections[] = []
  const opening = (options: Partial<ConnectionOptions> = {}) => {
    const one = open({ tls: {}, timing: TIMING, ...options })
    opened.push(one)
    return one
  }
  beforeEach(() => {
    connections = opening()
  })
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.destroy()
  })

  function send(request: Partial<HttpRequest> = {}, by = connections): Promise<Answer> {
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a?b=c`)
    return by.send({ url, method: 'GET', headers: {}, ...request })
  }
  const get = (signal?: AbortSignal) => send({ signal })

  test('a body is passed on whole, however slowly it is taken', async () => {
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

  test('a body is iterated whole', async () => {
    expect((await buffer((await get()).body)).equals(content)).toBe(true)
  })

  test('a body that nobody takes any more ends its connection', async () => {
    const closed = nextEndOfConnection()
    const { body } = await get()
    await expect(
      body.passTo(() => {
        throw new Error('full')
      }),
    ).rejects.toThrow('full')
    await closed
  })

  test('a body that breaks is an error, by either way of reading', async () => {
    respond = (response) => {
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 1000), () => response.destroy())
    }
    await expect((await get()).body.passTo(() => undefined)).rejects.toThrow()
    await expect(buffer((await get()).body)).rejects.toThrow()
  })

  test('a body ends with the reason of its signal', async () => {
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

  test('a body of which little is left is dumped, and its connection is used again', async () => {
    respond = (response) => response.end('little')
    let connections = 0
    server.on('connection', () => connections++)
    for (let round = 0; round < 2; round++) {
      await (await get()).body.dump(100)
      await immediate() // undici looks at a connection before it uses it again
    }
    expect(connections).toBe(1)
  })

  test('a body that drips is not read for ever', async () => {
    respond = (response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('c')
    }
    const closed = nextEndOfConnection()
    await expect(readAnswer(await get(), 1_000, 50)).rejects.toMatchObject({ code: 'TIMEOUT' })
    await closed
  })

  test('a body that drips is not dumped for long', async () => {
    respond = (response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('c')
    }
    const closed = nextEndOfConnection()
    await (await get()).body.dump(1_000)
    await closed
  })

  test('a request has its method, path, headers and body', async () => {
    const bodies: string[] = []
    respond = async (response, request) => {
      bodies.push(`${request.method} ${request.url} ${request.headers['x-y']} ${await textOf(request)}`)
      response.writeHead(201, { 'X-Z': 'z' }).end()
    }
    async function* chunks() {
      const chunk = Buffer.from('ab')
      yield chunk
      chunk.write('cd') // a chunk is the sender's own until the next one is asked for
      yield chunk
    }
    for (const body of ['abcd', Buffer.from('abcd'), chunks()]) {
      const headers = { 'x-y': 'y', 'content-length': '4' }
      const answer = await send({ method: 'PUT', headers, body })
      expect(answer).toMatchObject({ statusCode: 201, headers: { 'x-z': 'z' } })
      await answer.body.dump(100)
    }
    expect(bodies).toEqual(Array(3).fill('PUT /a?b=c y abcd'))
  })

  test('a body that fails to be sent is an error, and ends its connection', async () => {
    respond = () => {}
    const closed = nextEndOfConnection()
    async function* chunks() {
      yield Buffer.from('a')
      throw new Error('no more')
    }
    const headers = { 'content-length': '4' }
    await expect(send({ method: 'PUT', headers, body: chunks() })).rejects.toThrow('no more')
    await closed
  })

  test('an answer before all was sent ends the sending', async () => {
    respond = (response) => response.writeHead(413).end('too much')
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    async function* endless() {
      try {
        for (;;) {
          yield Buffer.alloc(64 * 1024)
          await immediate()
        }
      } finally {
        resolve()
      }
    }
    const answer = await send({ method: 'PATCH', body: endless() })
    expect(answer.statusCode).toBe(413)
    await answer.body.dump(100)
    await ended
  })

  test('who gives no answer, or no more bytes, is not waited for', async () => {
    const hasty = opening({ timing: { connectMs: 5_000, headMs: 50, bodyMs: 50 } })
    respond = () => {}
    await expect(send({}, hasty)).rejects.toMatchObject({ code: LATE })
    respond = (response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('c')
    }
    const { body } = await send({}, hasty)
    await expect(buffer(body)).rejects.toMatchObject({ code: LATE })
  })

  test('certificates are checked, unless they are not to be', async () => {
    const alternativeNames = [{ type: 'dns', value: 'localhost' } as const]
    const { pem, privateKey } = await makeCertificate({ alternativeNames })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const secure = createSecureServer({ cert: pem, key }, (_, response) => response.end('a'))
    await once(secure.listen(0, '127.0.0.1'), 'listening')
    try {
      const url = new URL(`https://localhost:${(secure.address() as AddressInfo).port}`)
      await expect(send({ url })).rejects.toMatchObject({
        code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO_VERIFY/),
      })
      for (const tls of [{ ca: [pem] }, { rejectUnauthorized: false }])
        expect((await buffer((await send({ url }, opening({ tls }))).body)).toString()).toBe('a')
    } finally {
      secure.closeAllConnections()
      secure.close()
    }
  })

  test('names are looked up as is wanted', async () => {
    const refused = new Error('private')
    const careful = opening({ lookup: (_name, _options, callback) => callback(refused, []) })
    const url = new URL(`http://localhost:${(server.address() as AddressInfo).port}`)
    await expect(send({ url }, careful)).rejects.toBe(refused)
  })
})

/** Codes of timeouts. */
const LATE = expect.stringMatching(/^(?:ETIMEDOUT|UND_ERR_(?:HEADERS|BODY)_TIMEOUT)$/)

async function textOf(request: IncomingMessage): Promise<string> {
  return (await buffer(request)).toString()
}

test('Node sends again what met the end of a kept connection, unless it may have had an effect', async () => {
  const connections = openNodeConnections({ tls: {}, timing: TIMING })
  const used = new WeakSet<object>()
  respond = (response, { socket }) => {
    if (used.has(socket)) return socket.destroy()
    used.add(socket)
    response.end('a')
  }
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const statusOf = async (method: 'GET' | 'POST') => {
    const answer = await connections.send({ url, method, headers: {} })
    await answer.body.dump(100)
    await immediate() // Node looks at a connection before it keeps it
    return answer.statusCode
  }
  try {
    for (let round = 0; round < 3; round++) expect(await statusOf('GET')).toBe(200)
    await expect(statusOf('POST')).rejects.toMatchObject({ code: 'ECONNRESET' })
  } finally {
    await connections.destroy()
  }
})

test('many bytes make later requests go by undici', async () => {
  const names: string[] = []
  respond = (response, { rawHeaders, method }) => {
    names.push(rawHeaders.find((name) => name.toLowerCase() === 'host')!)
    response.writeHead(200, { 'content-length': content.length }).end(method === 'HEAD' ? undefined : content)
  }
  const connections = openAdaptiveConnections({ tls: {}, timing: TIMING })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const receive = async (method: 'GET' | 'HEAD') => {
    const { body } = await connections.send({ method, url, headers: {} })
    for await (const _ of body);
  }
  for (let n = 0; n < 10; n++) await receive('HEAD')
  for (let n = 0; n < 5; n++) await receive('GET')
  expect(names).toEqual(Array(15).fill('Host'))
  // It is loaded meanwhile.
  while (names.at(-1) === 'Host') await receive('GET')
  expect(names.at(-1)).toBe('host')
  await connections.destroy()
})
