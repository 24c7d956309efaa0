import type { Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { collect, distinctBytes, expectSameBytes } from '../../../../test/contract/storage-driver/support.ts'
import { closed, head, rawStores, SCHEMES, settled } from '../../../../test/support/raw-store.ts'
import { BufferPool, LARGEST_BYTES } from '../../buffer-pool.ts'
import { Connection } from './connection.ts'

const MIB = 1024 * 1024

describe.each(SCHEMES)('bodies over %s', (scheme) => {
  const { start } = rawStores(scheme)

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
      expect(chunks.length).toBeGreaterThan(3)
      // Decrypted bytes may still come while both buffers are full.
      expect(memories.size).toBeLessThanOrEqual(scheme === 'http:' ? 2 : 3)
    })

    it('comes as it arrives', async () => {
      const pieces = [1, 50_000, 3].map((size) => content.subarray(size, 2 * size))
      const { store, get } = await start((socket) => socket.write(head(50_004)))
      const chunks: AsyncIterator<Buffer> = (await get()).body[Symbol.asyncIterator]()
      for (const piece of pieces) {
        store.sockets[0]?.write(piece)
        for (let position = 0; position < piece.length; ) {
          const { value: chunk } = await chunks.next()
          expectSameBytes(chunk, piece.subarray(position, position + chunk.length))
          position += chunk.length
        }
      }
      expect(await chunks.next()).toMatchObject({ done: true })
    })

    it('keeps a chunk as it is until the next one is asked for, and reads no more meanwhile than a buffer', async () => {
      const { store, get } = await start(send)
      const chunks: Buffer[] = []
      for await (const chunk of (await get()).body as AsyncIterable<Buffer>) {
        const before = Buffer.from(chunk)
        await settled(store.sockets[0])
        expectSameBytes(chunk, before)
        chunks.push(before)
      }
      expectSameBytes(Buffer.concat(chunks), content)
    })

    it('that is not read is not received', async () => {
      const large = Buffer.alloc(64 * MIB)
      const { store, get } = await start((socket) => {
        socket.write(head(large.length))
        socket.write(large)
      })
      const { body } = await get()
      const socket = store.sockets[0]!
      await settled(socket)
      expect(socket.writableLength).toBe(large.length)
      body.destroy()
      await closed(socket)
    })

    it.each([1, 1_000, 17_000, 33_000, 49_000])(
      'whose last %i bytes come when two buffers are full is read whole, and its connection is used again',
      async (surplus) => {
        const bytes = content.subarray(0, 2 * LARGEST_BYTES + surplus)
        const { store, get } = await start((socket) => {
          socket.write(Buffer.concat([Buffer.from(head(bytes.length)), bytes]))
        })
        for (let round = 0; round < 3; round++) {
          const { body } = await get()
          await settled(store.sockets[0])
          expectSameBytes(await collect(body), bytes)
        }
        expect(store.sockets).toHaveLength(1)
      },
    )

    it.each([
      ['whole', 0],
      ['cut', 1],
    ])('that the store closes is read to its end by a slow consumer: %s', async (_what, missing) => {
      const bytes = content.subarray(0, 2 * LARGEST_BYTES + 33_000)
      const { store, get } = await start((socket) => {
        const fields = head(bytes.length + missing, 'Connection: close')
        socket.end(Buffer.concat([Buffer.from(fields), bytes]))
      })
      const { body } = await get()
      await settled(store.sockets[0])
      const chunks: Buffer[] = []
      const reading = async () => {
        for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(Buffer.from(chunk))
      }
      if (missing === 0) await reading()
      else await expect(reading()).rejects.toMatchObject({ code: 'ECONNRESET' })
      expectSameBytes(Buffer.concat(chunks), bytes)
    })

    it('comes whole in the smallest buffers, of which few are used, and all are given back', async () => {
      const buffers = new WatchedPool({ maxLentBytes: 0 })
      const { store } = await start(send)
      const connection = new Connection({
        origin: { host: '127.0.0.1', port: store.port, isSecure: scheme === 'https:' },
        buffers,
        connectionTimeoutMs: 5_000,
        timeoutMs: 5_000,
        rejectUnauthorized: false,
        session: undefined,
        onSession: () => {},
        onIdle: () => {},
        onClose: () => {},
      })
      for (let round = 0; round < 2; round++) {
        const chunks: Buffer[] = []
        for await (const chunk of (await connection.ask('GET / HTTP/1.1\r\n\r\n')).body) {
          chunks.push(Buffer.from(chunk))
          await setImmediate()
        }
        expectSameBytes(Buffer.concat(chunks), content)
      }
      for await (const chunk of (await connection.ask('GET / HTTP/1.1\r\n\r\n')).body) {
        expect(chunk.length).toBeGreaterThan(0)
        break
      }
      expect(buffers.lentBytes).toBe(0)
      expect(buffers.mostLentBytes).toBeLessThan(128 * 1024)
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
      ['cut', 3],
      ['reset', 3],
    ] as const)('that is cut (%s) gives the %i bytes that came, then fails', async (how, count) => {
      const { store, get } = await start((socket) => {
        const bytes = Buffer.concat([Buffer.from(head(content.length)), content.subarray(0, count)])
        socket.write(bytes, () => setImmediate().then(() => store.finish(socket, how)))
      })
      const chunks: Buffer[] = []
      const reading = async () => {
        for await (const chunk of (await get()).body as AsyncIterable<Buffer>) chunks.push(Buffer.from(chunk))
      }
      await expect(reading()).rejects.toMatchObject({ code: 'ECONNRESET' })
      expectSameBytes(Buffer.concat(chunks), content.subarray(0, count))
    })

    it('that is left early ends its connection, and its buffers are used again', async () => {
      const { store, get } = await start(send)
      const memories = new Set<unknown>()
      for (let round = 0; round < 4; round++) {
        for await (const chunk of (await get()).body as AsyncIterable<Buffer>) {
          memories.add(chunk.buffer)
          break
        }
        await closed(store.sockets[round])
      }
      expect(memories.size).toBeLessThanOrEqual(2)
    })

    it('that is destroyed by another leaves the chunk that is looked at alone', async () => {
      const { store, get } = await start(send)
      let chunkCount = 0
      const controller = new AbortController()
      const { body } = await get()
      addAbortSignal(controller.signal, body)
      const reading = async () => {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          const before = Buffer.from(chunk)
          await settled(store.sockets[0])
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
      const { store, get } = await start((socket) => socket.write(head(10)))
      const { body } = await get()
      const reading = collect(body)
      body.destroy(new Error('not wanted'))
      await expect(reading).rejects.toThrow('not wanted')
      await closed(store.sockets[0])
    })

    it('that was destroyed is not taken for an empty one', async () => {
      const { get } = await start((socket) => socket.write(`${head(2)}ok`))
      const { body } = await get()
      body.destroy()
      await expect(collect(body)).rejects.toThrow()
    })

    it('that came whole is none of the connection’s business any more', async () => {
      const { store, get } = await start((socket, { count }) => {
        if (count > 1) send(socket)
        else socket.write(`${head(4)}ok`)
      })
      const first = await get()
      store.sockets[0]?.write('ay')
      await settled(store.sockets[0])
      const second: AsyncIterator<Buffer> = (await get()).body[Symbol.asyncIterator]()
      const { value: chunk } = await second.next()
      const before = Buffer.from(chunk)
      await settled(store.sockets[0])
      expect(String(await collect(first.body))).toBe('okay')
      await settled(store.sockets[0])
      expectSameBytes(chunk, before)
      expect(store.sockets).toHaveLength(1)
      await second.return?.()
    })

    it('that stops while the consumer is slow is given up once it is waited for', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(9)}ok`), { timeoutMs: 50 })
      const { body } = await get()
      store.sockets[0]?.write('ay')
      await new Promise((resolve) => setTimeout(resolve, 200))
      await expect(collect(body)).rejects.toMatchObject({ name: 'TimeoutError' })
    })
  })
})

class WatchedPool extends BufferPool {
  lentBytes = 0
  mostLentBytes = 0

  override take(byteCount: number): Buffer {
    const buffer = super.take(byteCount)
    this.lentBytes += buffer.length
    this.mostLentBytes = Math.max(this.mostLentBytes, this.lentBytes)
    return buffer
  }

  override give(buffer: Buffer): void {
    this.lentBytes -= buffer.length
    super.give(buffer)
  }
}
