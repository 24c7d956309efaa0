import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
} from '../../../../test/contract/storage-driver/support.ts'
import { head, rawStores, SCHEMES } from '../../../../test/support/raw-store.ts'
import { AnswerBody } from './answer-body.ts'

const MIB = 1024 * 1024

describe.each(SCHEMES)('answers over %s', (scheme) => {
  const { clientOf, start, startServer } = rawStores(scheme)

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
      await using server = await startServer((incoming, answer) => {
        ports.add(incoming.socket.remotePort)
        answer.writeHead(200, { 'content-length': content.length }).end(content)
      })
      const { get } = clientOf(Number(new URL(server.url).port))
      for (let round = 0; round < 5; round++) expectSameBytes(await collect((await get()).body), content)
      expect(ports.size).toBe(1)
    })

    it('may come byte by byte', async () => {
      const { get } = await start(async (socket) => {
        for (const byte of Buffer.from(`${head(3)}abc`)) {
          await new Promise((resolve) => socket.write(Buffer.of(byte), resolve))
          await setImmediate()
        }
      })
      expect(String(await collect((await get()).body))).toBe('abc')
    })

    it('may come in pieces that end in its head', async () => {
      const content = distinctBytes(100_000)
      const bytes = Buffer.concat([Buffer.from(head(content.length, `x: ${'x'.repeat(10_000)}`)), content])
      const { get } = await start(async (socket) => {
        await new Promise((resolve) => socket.write(bytes.subarray(0, 5_000), resolve))
        await setImmediate()
        socket.write(bytes.subarray(5_000))
      })
      expectSameBytes(await collect((await get()).body), content)
    })

    it('may be preceded by interim answers', async () => {
      const { get } = await start((socket) => {
        socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${head(2)}ok`)
      })
      expect(String(await collect((await get()).body))).toBe('ok')
    })

    it('with an error has a body that keeps', async () => {
      const content = distinctBytes(3 * MIB)
      const { store, get } = await start((socket) => {
        socket.write(`HTTP/1.1 404 Not Found\r\ncontent-length: ${content.length}\r\n\r\n`)
        socket.write(content)
      })
      const answers = [await get(), await get()]
      for (const { statusCode, body } of answers) {
        expect(statusCode).toBe(404)
        expectSameBytes(Buffer.concat(await collectAll<Buffer>(body)), content)
      }
      expect(store.sockets).toHaveLength(1)
    })

    it('to a request whose chunks are to be kept comes by the ordinary way', async () => {
      const content = distinctBytes(3 * MIB)
      await using server = await startServer((_incoming, answer) => {
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
      const { store, get } = await start((socket) => socket.end(answer))
      expect(String(Buffer.concat(await collectAll<Buffer>((await get()).body)))).toBe(content)
      expect(store.requests).toHaveLength(2)
    })

    it('with an error of unusual form does not change how objects are asked for', async () => {
      const { store, get } = await start((socket, { count }) => {
        if (count < 3) socket.write('HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
        else socket.write(`${head(2)}ok`)
      })
      expect((await get()).statusCode).toBe(404)
      expect((await get()).body).toBeInstanceOf(AnswerBody)
      expect(store.requests).toHaveLength(3)
    })

    it('of unusual form is not asked for twice a second time', async () => {
      const { store, get } = await start((socket) =>
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      )
      for (let round = 0; round < 3; round++) await collect((await get()).body)
      expect(store.requests).toHaveLength(4)
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

    it.each(['end', 'cut', 'reset'] as const)('cut in its head fails: %s', async (how) => {
      const { store, get } = await start((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nConte', () => store.finish(socket, how))
      })
      await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
      expect(store.requests).toHaveLength(1)
    })
  })
})
