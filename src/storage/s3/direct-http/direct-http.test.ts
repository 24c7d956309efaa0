import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
} from '../../../../test/contract/storage-driver/support.ts'
import { startAnswering } from '../../../../test/support/answering-server.ts'
import { AnswerBody } from './answer-body.ts'
import { DirectHttpHandler } from './handler.ts'
import type { SignedRequest } from './request-head.ts'

const MIB = 1024 * 1024

const handlers: DirectHttpHandler[] = []
const servers: RawServer[] = []
afterEach(() => {
  for (const handler of handlers.splice(0)) handler.destroy()
  for (const server of servers.splice(0)) server.close()
})

/** A server that sends raw bytes. */
class RawServer {
  /** Heads of requests, as received. */
  readonly requests: string[] = []
  readonly sockets: Socket[] = []
  readonly #server: Server

  constructor(answer: (socket: Socket, asked: { count: number; connection: number }) => void) {
    this.#server = createServer((socket) => {
      const connection = this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (head) => {
        answer(socket, { count: this.requests.push(String(head)), connection })
      })
    })
    servers.push(this)
  }

  async listen(host = '127.0.0.1'): Promise<number> {
    this.#server.listen(0, host)
    await once(this.#server, 'listening')
    return this.port
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
  }
}

interface GetOptions {
  readonly abortSignal?: AbortSignal
  readonly chunksAreLent?: boolean
  /** Changes to the request. */
  readonly changed?: Partial<SignedRequest>
}

async function start(
  answer: (socket: Socket, asked: { count: number; connection: number }) => void,
  options: { timeoutMs?: number; maxConnections?: number } = {},
) {
  const server = new RawServer(answer)
  return { server, ...clientOf(await server.listen(), options) }
}

function clientOf(port: number, { timeoutMs = 5_000, maxConnections = 8, hostname = '127.0.0.1' } = {}) {
  const handler = new DirectHttpHandler({ connectionTimeoutMs: 5_000, timeoutMs, maxConnections })
  handlers.push(handler)
  const get = async ({ changed, ...options }: GetOptions = {}) => {
    const request: Omit<SignedRequest, 'clone'> = {
      protocol: 'http:',
      method: 'GET',
      hostname,
      port,
      path: '/bucket/a%20b',
      query: { 'x-id': 'GetObject', 'a b': "it's" },
      headers: { host: 'store', authorization: 'signed' },
      ...changed,
    }
    const asked = handler.handle(request as SignedRequest, {
      chunksAreLent: true,
      ...options,
    })
    return (await asked).response
  }
  return { handler, get }
}

const head = (length: number, ...fields: string[]) =>
  ['HTTP/1.1 200 OK', `Content-Length: ${length}`, ...fields, '', ''].join('\r\n')

describe('a request', () => {
  it('is sent as it was signed', async () => {
    const { server, get } = await start((socket) => socket.write(head(0)))
    await get()
    expect(server.requests).toEqual([
      'GET /bucket/a%20b?x-id=GetObject&a%20b=it%27s HTTP/1.1\r\nhost: store\r\nauthorization: signed\r\n\r\n',
    ])
  })

  it.each(['[::1]', '::1', 'localhost'])('goes to %s', async (hostname) => {
    const server = new RawServer((socket) => socket.write(`${head(2)}ok`))
    const { get } = clientOf(await server.listen('::'), { hostname })
    expect(String(await collect((await get()).body))).toBe('ok')
  })

  it('to nobody fails with the code of the system', async () => {
    const server = new RawServer(() => {})
    const port = await server.listen()
    server.close()
    await expect(clientOf(port).get()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('with a header of two lines is not sent', async () => {
    const { server, get } = await start((socket) => socket.write(head(0)))
    const changed = { headers: { 'user-agent': 'a\r\nb: c' } }
    await expect(get({ changed })).rejects.toMatchObject({ code: 'ERR_INVALID_CHAR' })
    expect(server.requests).toEqual([])
  })

  it('that is to be encrypted goes the ordinary way', async () => {
    const { server, get } = await start((socket) => socket.destroy())
    await expect(get({ changed: { protocol: 'https:' } })).rejects.toThrow()
    expect(server.requests[0]).not.toMatch(/^GET/)
  })

  it('that was aborted before is not sent', async () => {
    const { server, get } = await start((socket) => socket.write(head(0)))
    await expect(get({ abortSignal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(server.requests).toEqual([])
  })

  it('that is aborted while the store thinks ends its connection', async () => {
    const controller = new AbortController()
    const { server, get } = await start((socket) => {
      socket.resume()
      controller.abort()
    })
    await expect(get({ abortSignal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
    await closed(server.sockets[0])
  })
})

describe('an answer', () => {
  it('comes with its status, reason, headers and bytes', async () => {
    const { get } = await start((socket) => {
      const fields = 'Content-Length: 4\r\nETag:  "a" \r\nX-Two: 1\r\nx-two: 2\r\nx-empty:\r\n\r\n'
      socket.write(`HTTP/1.1 206 Partial Content\r\n${fields}body`)
    })
    const answer = await get()
    expect(answer).toMatchObject({ statusCode: 206, reason: 'Partial Content' })
    expect({ ...answer.headers }).toEqual({
      'content-length': '4',
      etag: '"a"',
      'x-two': '1, 2',
      'x-empty': '',
    })
    expect(String(await collect(answer.body))).toBe('body')
  })

  it('of a real server comes whole, again and again over one connection', async () => {
    const content = distinctBytes(5 * MIB + 7)
    const ports = new Set<number | undefined>()
    await using server = await startAnswering((incoming, answer) => {
      ports.add(incoming.socket.remotePort)
      answer.writeHead(200, { 'content-length': content.length }).end(content)
    })
    const { get } = clientOf(Number(new URL(server.url).port))
    for (let round = 0; round < 5; round++) expectSameBytes(await collect((await get()).body), content)
    expect(ports.size).toBe(1)
  })

  it('may come byte by byte', async () => {
    const { get } = await start(async (socket) => {
      socket.setNoDelay()
      for (const byte of Buffer.from(`${head(3)}abc`)) {
        await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
        await setImmediate()
      }
    })
    expect(String(await collect((await get()).body))).toBe('abc')
  })

  it('may be preceded by interim answers', async () => {
    const { get } = await start((socket) => {
      socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${head(2)}ok`)
    })
    expect(String(await collect((await get()).body))).toBe('ok')
  })

  it('with an error has a body that keeps', async () => {
    const content = distinctBytes(3 * MIB)
    const { server, get } = await start((socket) => {
      socket.write(`HTTP/1.1 404 Not Found\r\ncontent-length: ${content.length}\r\n\r\n`)
      socket.write(content)
    })
    const answers = [await get(), await get()]
    for (const { statusCode, body } of answers) {
      expect(statusCode).toBe(404)
      expectSameBytes(Buffer.concat(await collectAll<Buffer>(body)), content)
    }
    expect(server.sockets).toHaveLength(1)
  })

  it('to a request whose chunks are to be kept comes by the ordinary way', async () => {
    const content = distinctBytes(3 * MIB)
    await using server = await startAnswering((_incoming, answer) => {
      answer.writeHead(200, { 'content-length': content.length }).end(content)
    })
    const { get } = clientOf(Number(new URL(server.url).port))
    const kept = await collectAll<Buffer>((await get({ chunksAreLent: false })).body)
    expectSameBytes(Buffer.concat(kept), content)
  })

  it.each([
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'ok'],
    ['that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\nok', 'ok'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', 'ok'],
    ['without content', 'HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n', ''],
  ])('%s is asked for again in the ordinary way', async (_form, answer, content) => {
    const { server, get } = await start((socket) => socket.end(answer))
    expect(String(Buffer.concat(await collectAll<Buffer>((await get()).body)))).toBe(content)
    expect(server.requests).toHaveLength(2)
  })

  it('with an error of unusual form does not change how objects are asked for', async () => {
    const { server, get } = await start((socket, { count }) => {
      if (count < 3) socket.write('HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
      else socket.write(`${head(2)}ok`)
    })
    expect((await get()).statusCode).toBe(404)
    expect((await get()).body).toBeInstanceOf(AnswerBody)
    expect(server.requests).toHaveLength(3)
  })

  it('of unusual form is not asked for twice a second time', async () => {
    const { server, get } = await start((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    )
    for (let round = 0; round < 3; round++) await collect((await get()).body)
    expect(server.requests).toHaveLength(4)
  })

  it.each([
    ['no HTTP', 'SSH-2.0-server\r\n\r\n'],
    [
      'of a length and in chunks',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nok',
    ],
    ['folded', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: 1\r\n 2\r\n\r\nok'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc'],
    ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n'],
    ['too long a head', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('that is %s fails as it does in the ordinary way', async (_what, answer) => {
    const { get } = await start((socket) => socket.end(answer))
    await expect(get()).rejects.toMatchObject({ code: expect.stringMatching(/^HPE_/) })
  })

  it('that does not come is given up', async () => {
    const { get } = await start(() => {}, { timeoutMs: 50 })
    await expect(get()).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  it.each(['end', 'resetAndDestroy'] as const)('cut in its head fails: %s', async (how) => {
    const { server, get } = await start((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nConte', () => socket[how]())
    })
    await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(server.requests).toHaveLength(1)
  })
})

describe('a connection', () => {
  it('is kept for the next request, and two at once are two', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`))
    const both = await Promise.all([get(), get()])
    for (const { body } of both) await collect(body)
    await collect((await get()).body)
    expect(server.sockets).toHaveLength(2)
    expect(server.requests).toHaveLength(3)
  })

  it.each(['end', 'resetAndDestroy'] as const)(
    'that the store closes as it gets the next request is replaced once: %s',
    async (how) => {
      const { server, get } = await start((socket, { count }) => {
        if (count === 2) socket[how]()
        else socket.write(`${head(2)}ok`)
      })
      await collect((await get()).body)
      expect(String(await collect((await get()).body))).toBe('ok')
      expect(server.requests).toHaveLength(3)
      expect(server.sockets).toHaveLength(2)
    },
  )

  it('that is new and closed at once is not replaced', async () => {
    const { server, get } = await start((socket) => socket.resetAndDestroy())
    await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(server.requests).toHaveLength(1)
  })

  it('that was closed while it was idle is not used', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`))
    await collect((await get()).body)
    server.sockets[0]?.end()
    await closed(server.sockets[0])
    expect(String(await collect((await get()).body))).toBe('ok')
    expect(server.requests).toHaveLength(2)
  })

  it('that is idle too long is closed', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`), { timeoutMs: 50 })
    await collect((await get()).body)
    await closed(server.sockets[0])
  })

  it('goes to one store only', async () => {
    const [one, other] = await Promise.all(
      ['one', 'two'].map((text) => start((socket) => socket.write(`${head(3)}${text}`))),
    )
    await collect((await one!.get()).body)
    const port = other!.server.port
    expect(String(await collect((await one!.get({ changed: { port } })).body))).toBe('two')
  })

  it('that is idle does not keep the process', async () => {
    const { get } = await start((socket) => socket.write(head(2)))
    const sockets = () => process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length
    const { body } = await get()
    const busy = sockets()
    servers[0]?.sockets[0]?.write('ok')
    await collect(body)
    expect(sockets()).toBe(busy - 1)
    await get()
    expect(sockets()).toBe(busy)
  })

  it('is not ended by an abort that comes too late for its request', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`))
    const controller = new AbortController()
    await collect((await get({ abortSignal: controller.signal })).body)
    controller.abort()
    expect(String(await collect((await get()).body))).toBe('ok')
    expect(server.sockets).toHaveLength(1)
  })

  it('makes room when it is closed', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`), { maxConnections: 1 })
    await collect((await get()).body)
    server.sockets[0]?.end()
    await closed(server.sockets[0])
    expect((await get()).body).toBeInstanceOf(AnswerBody)
  })

  it('that gave more than it told, some time after the head, is not used again', async () => {
    const bytes = distinctBytes(100_000)
    const { server, get } = await start(async (socket) => {
      socket.write(head(bytes.length))
      await setImmediate()
      socket.write(Buffer.concat([bytes, Buffer.from('?')]))
    })
    for (let round = 0; round < 2; round++) expectSameBytes(await collect((await get()).body), bytes)
    expect(server.sockets).toHaveLength(2)
  })

  it.each([
    ['the store closes', `${head(2, 'Connection: foo, Close')}ok`],
    ['gave more than it told', `${head(2)}ok?`],
  ])('that %s is not used again', async (_what, answer) => {
    const { server, get } = await start((socket) => socket.write(answer))
    for (let round = 0; round < 2; round++) expect(String(await collect((await get()).body))).toBe('ok')
    expect(server.sockets).toHaveLength(2)
  })

  it('on which something comes that nobody asked for is closed', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(2)}ok`))
    await collect((await get()).body)
    server.sockets[0]?.write(`${head(4)}evil`)
    await closed(server.sockets[0])
    expect(String(await collect((await get()).body))).toBe('ok')
  })

  it('too many are left to the ordinary way', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(4)}ok`), { maxConnections: 1 })
    const [first, second] = [await get(), await get()]
    expect(server.sockets).toHaveLength(2)
    expect(second?.body).not.toBeInstanceOf(AnswerBody)
    for (const socket of server.sockets) socket.write('ay')
    for (const { body } of [first, second]) expect(String(await collect(body))).toBe('okay')
  })

  it('ends with the handler', async () => {
    const { server, handler, get } = await start((socket) => socket.write(`${head(2)}ok`))
    await collect((await get()).body)
    await collect((await get({ chunksAreLent: false })).body)
    handler.destroy()
    for (const socket of server.sockets) await closed(socket)
    expect(server.sockets).toHaveLength(2)
  })
})

describe('a body', () => {
  const content = distinctBytes(8 * MIB)
  const send = (socket: Socket) => socket.write(Buffer.concat([Buffer.from(head(content.length)), content]))

  it('comes in buffers that are used again', async () => {
    const { get } = await start(send)
    const memories = new Set<unknown>()
    const chunks: Uint8Array[] = []
    for await (const chunk of (await get()).body as AsyncIterable<Uint8Array>) {
      memories.add(chunk.buffer)
      chunks.push(Buffer.from(chunk))
    }
    expectSameBytes(Buffer.concat(chunks), content)
    expect(chunks.length).toBeGreaterThan(2)
    expect(memories.size).toBe(2)
  })

  it('keeps a chunk as it is until the next one is asked for, and reads no more meanwhile than a buffer', async () => {
    const { server, get } = await start(send)
    const chunks: Buffer[] = []
    for await (const chunk of (await get()).body as AsyncIterable<Buffer>) {
      const before = Buffer.from(chunk)
      await settled(server.sockets[0])
      expectSameBytes(chunk, before)
      chunks.push(before)
    }
    expectSameBytes(Buffer.concat(chunks), content)
  })

  it('that is not read is not received', async () => {
    const large = Buffer.alloc(64 * MIB)
    const { server, get } = await start((socket) => {
      socket.write(head(large.length))
      socket.write(large)
    })
    const { body } = await get()
    const socket = server.sockets[0]!
    await settled(socket)
    expect(socket.writableLength).toBe(large.length)
    body.destroy()
    await closed(socket)
  })

  it('is waited for as long as the consumer needs, but not as long as the store', async () => {
    const { get } = await start(
      (socket) => socket.write(Buffer.concat([Buffer.from(head(content.length)), content.subarray(1)])),
      {
        timeoutMs: 500,
      },
    )
    let byteCount = 0
    const reading = async () => {
      for await (const chunk of (await get()).body as AsyncIterable<Buffer>) {
        if (byteCount === 0) await new Promise((resolve) => setTimeout(resolve, 1_200))
        byteCount += chunk.length
      }
    }
    await expect(reading()).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(byteCount).toBe(content.length - 1)
  })

  it.each([
    ['end', 1_000_000],
    ['end', 3],
    ['end', 0],
    ['resetAndDestroy', 3],
  ] as const)('that is cut (%s) gives the %i bytes that came, then fails', async (how, count) => {
    const { get } = await start((socket) => {
      const bytes = Buffer.concat([Buffer.from(head(content.length)), content.subarray(0, count)])
      socket.write(bytes, () => setImmediate().then(() => socket[how]()))
    })
    const chunks: Buffer[] = []
    const reading = async () => {
      for await (const chunk of (await get()).body as AsyncIterable<Buffer>) chunks.push(Buffer.from(chunk))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'ECONNRESET' })
    expectSameBytes(Buffer.concat(chunks), content.subarray(0, count))
  })

  it('that is left early ends its connection, and its buffers are used again', async () => {
    const { server, get } = await start(send)
    const memories = new Set<unknown>()
    for (let round = 0; round < 4; round++) {
      for await (const chunk of (await get()).body as AsyncIterable<Buffer>) {
        memories.add(chunk.buffer)
        break
      }
      await closed(server.sockets[round])
    }
    expect(memories.size).toBeLessThanOrEqual(2)
  })

  it('that is destroyed by another leaves the chunk that is looked at alone', async () => {
    const { server, get } = await start(send)
    let chunkCount = 0
    const controller = new AbortController()
    const { body } = await get()
    addAbortSignal(controller.signal, body)
    const reading = async () => {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const before = Buffer.from(chunk)
        await settled(server.sockets[0])
        controller.abort()
        for (let round = 0; round < 2; round++) await collect((await get()).body)
        expectSameBytes(chunk, before)
        chunkCount++
      }
    }
    await expect(reading()).rejects.toMatchObject({ name: 'AbortError' })
    expect(chunkCount).toBe(1)
  })

  it('that is destroyed while its bytes are waited for fails', async () => {
    const { server, get } = await start((socket) => socket.write(head(10)))
    const { body } = await get()
    const reading = collect(body)
    body.destroy(new Error('not wanted'))
    await expect(reading).rejects.toThrow('not wanted')
    await closed(server.sockets[0])
  })

  it('that was destroyed is not taken for an empty one', async () => {
    const { get } = await start((socket) => socket.write(`${head(2)}ok`))
    const { body } = await get()
    body.destroy()
    await expect(collect(body)).rejects.toThrow()
  })

  it('that came whole is none of the connection’s business any more', async () => {
    const { server, get } = await start((socket, { count }) => {
      if (count > 1) send(socket)
      else socket.write(`${head(4)}ok`)
    })
    const first = await get()
    server.sockets[0]?.write('ay')
    await settled(server.sockets[0])
    const second: AsyncIterator<Buffer> = (await get()).body[Symbol.asyncIterator]()
    const { value: chunk } = await second.next()
    const before = Buffer.from(chunk)
    await settled(server.sockets[0])
    expect(String(await collect(first.body))).toBe('okay')
    await settled(server.sockets[0])
    expectSameBytes(chunk, before)
    expect(server.sockets).toHaveLength(1)
    await second.return?.()
  })

  it('that stops while the consumer is slow is given up once it is waited for', async () => {
    const { server, get } = await start((socket) => socket.write(`${head(9)}ok`), { timeoutMs: 50 })
    const { body } = await get()
    server.sockets[0]?.write('ay')
    await new Promise((resolve) => setTimeout(resolve, 200))
    await expect(collect(body)).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})

async function closed(socket: Socket | undefined): Promise<void> {
  if (socket?.closed === false) await new Promise((resolve) => socket.once('close', resolve))
}

/** Resolves once the connection is quiet. */
async function settled(socket: Socket | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let last = -1
  const timer = setInterval(() => {
    const pending = socket?.writableLength ?? 0
    if (last === pending) resolve()
    last = pending
  }, 10)
  await promise
  clearInterval(timer)
}
