import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { collect, distinctBytes, expectSameBytes } from '../../../../test/contract/storage-driver/support.ts'
import { closed, head, rawStores, SCHEMES } from '../../../../test/support/raw-store.ts'
import { AnswerBody } from './answer-body.ts'

describe.each(SCHEMES)('connections over %s', (scheme) => {
  const { start } = rawStores(scheme)

  describe('a connection', () => {
    it('is kept for the next request, and two at once are two', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`))
      const both = await Promise.all([get(), get()])
      for (const { body } of both) await collect(body)
      await collect((await get()).body)
      expect(store.sockets).toHaveLength(2)
      expect(store.requests).toHaveLength(3)
    })

    it.each(['end', 'cut', 'reset'] as const)(
      'that the store closes as it gets the next request is replaced once: %s',
      async (how) => {
        const { store, get } = await start((socket, { count }) => {
          if (count === 2) store.finish(socket, how)
          else socket.write(`${head(2)}ok`)
        })
        await collect((await get()).body)
        expect(String(await collect((await get()).body))).toBe('ok')
        expect(store.requests).toHaveLength(3)
        expect(store.sockets).toHaveLength(2)
      },
    )

    it('that is new and closed at once is not replaced', async () => {
      const { store, get } = await start((socket) => store.finish(socket, 'reset'))
      await expect(get()).rejects.toMatchObject({ code: 'ECONNRESET' })
      expect(store.requests).toHaveLength(1)
    })

    it('that was closed while it was idle is not used', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`))
      await collect((await get()).body)
      store.sockets[0]?.end()
      await closed(store.sockets[0])
      expect(String(await collect((await get()).body))).toBe('ok')
      expect(store.requests).toHaveLength(2)
    })

    it('that is idle too long is closed', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`), { timeoutMs: 50 })
      await collect((await get()).body)
      await closed(store.sockets[0])
    })

    it('goes to one store only', async () => {
      const [one, other] = await Promise.all(
        ['one', 'two'].map((text) => start((socket) => socket.write(`${head(3)}${text}`))),
      )
      await collect((await one!.get()).body)
      const port = other!.store.port
      expect(String(await collect((await one!.get({ changed: { port } })).body))).toBe('two')
    })

    it('that is idle does not keep the process', async () => {
      const { store, get } = await start((socket) => socket.write(head(2)))
      const sockets = () => process.getActiveResourcesInfo().filter((one) => one === 'TCPSocketWrap').length
      const { body } = await get()
      const busy = sockets()
      store.sockets[0]?.write('ok')
      await collect(body)
      expect(sockets()).toBe(busy - 1)
      await get()
      expect(sockets()).toBe(busy)
    })

    it('is not ended by an abort that comes too late for its request', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`))
      const controller = new AbortController()
      await collect((await get({ abortSignal: controller.signal })).body)
      controller.abort()
      expect(String(await collect((await get()).body))).toBe('ok')
      expect(store.sockets).toHaveLength(1)
    })

    it('makes room when it is closed', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`), { maxConnections: 1 })
      await collect((await get()).body)
      store.sockets[0]?.end()
      await closed(store.sockets[0])
      expect((await get()).body).toBeInstanceOf(AnswerBody)
    })

    it('that gave more than it told, some time after the head, is not used again', async () => {
      const bytes = distinctBytes(100_000)
      const { store, get } = await start(async (socket) => {
        socket.write(head(bytes.length))
        await setImmediate()
        socket.write(Buffer.concat([bytes, Buffer.from('?')]))
      })
      for (let round = 0; round < 2; round++) expectSameBytes(await collect((await get()).body), bytes)
      expect(store.sockets).toHaveLength(2)
    })

    it.each([
      ['the store closes', `${head(2, 'Connection: foo, Close')}ok`],
      ['gave more than it told', `${head(2)}ok?`],
    ])('that %s is not used again', async (_what, answer) => {
      const { store, get } = await start((socket) => socket.write(answer))
      for (let round = 0; round < 2; round++) expect(String(await collect((await get()).body))).toBe('ok')
      expect(store.sockets).toHaveLength(2)
    })

    it('on which something comes that nobody asked for is closed', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(2)}ok`))
      await collect((await get()).body)
      store.sockets[0]?.write(`${head(4)}evil`)
      await closed(store.sockets[0])
      expect(String(await collect((await get()).body))).toBe('ok')
    })

    it('too many are left to the ordinary way', async () => {
      const { store, get } = await start((socket) => socket.write(`${head(4)}ok`), { maxConnections: 1 })
      const [first, second] = [await get(), await get()]
      expect(store.sockets).toHaveLength(2)
      expect(second?.body).not.toBeInstanceOf(AnswerBody)
      for (const socket of store.sockets) socket.write('ay')
      for (const { body } of [first, second]) expect(String(await collect(body))).toBe('okay')
    })

    it('ends with the handler', async () => {
      const { store, handler, get } = await start((socket) => socket.write(`${head(2)}ok`))
      await collect((await get()).body)
      await collect((await get({ chunksAreLent: false })).body)
      handler.destroy()
      for (const socket of store.sockets) await closed(socket)
      expect(store.sockets).toHaveLength(2)
    })
  })
})
