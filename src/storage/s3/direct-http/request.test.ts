import { describe, expect, it } from 'vitest'
import { collect } from '../../../../test/contract/storage-driver/support.ts'
import { closed, head, rawStores, SCHEMES } from '../../../../test/support/raw-store.ts'

describe.each(SCHEMES)('requests over %s', (scheme) => {
  const { createStore, clientOf, start } = rawStores(scheme)

  describe('a request', () => {
    it('is sent as it was signed', async () => {
      const { store, get } = await start((socket) => socket.write(head(0)))
      await get()
      expect(store.requests).toEqual([
        'GET /bucket/a%20b?x-id=GetObject&a%20b=it%27s HTTP/1.1\r\nhost: store\r\nauthorization: signed\r\n\r\n',
      ])
    })

    it.each(['[::1]', '::1', 'localhost'])('goes to %s', async (hostname) => {
      const store = await createStore((socket) => socket.write(`${head(2)}ok`))
      const { get } = clientOf(await store.listen('::'), { hostname })
      expect(String(await collect((await get()).body))).toBe('ok')
    })

    it('to nobody fails with the code of the system', async () => {
      const store = await createStore(() => {})
      const port = await store.listen()
      store.close()
      await expect(clientOf(port).get()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    it('with a header of two lines is not sent', async () => {
      const { store, get } = await start((socket) => socket.write(head(0)))
      const changed = { headers: { 'user-agent': 'a\r\nb: c' } }
      await expect(get({ changed })).rejects.toMatchObject({ code: 'ERR_INVALID_CHAR' })
      expect(store.requests).toEqual([])
    })

    it('that was aborted before is not sent', async () => {
      const { store, get } = await start((socket) => socket.write(head(0)))
      await expect(get({ abortSignal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
      expect(store.requests).toEqual([])
    })

    it('that is aborted while the store thinks ends its connection', async () => {
      const controller = new AbortController()
      const { store, get } = await start((socket) => {
        socket.resume()
        controller.abort()
      })
      await expect(get({ abortSignal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
      await closed(store.sockets[0])
    })
  })
})
