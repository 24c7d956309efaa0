import { createServer, type Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect } from '../../../../test/contract/storage-driver/support.ts'
import { Authority, type KeyPair } from '../../../../test/support/authority.ts'
import { type ClientOptions, closed, head, rawStores } from '../../../../test/support/raw-store.ts'
import { AnswerBody } from './answer-body.ts'

const { createStore, clientOf, start } = rawStores('https:')
const usual = getCACertificates('default')
const isVerified = { rejectUnauthorized: true }

let authority: Authority
beforeAll(async () => {
  authority = await Authority.create('the authority')
  setDefaultCACertificates([...usual, authority.cert])
})
afterAll(() => setDefaultCACertificates(usual))

async function startWith(keyPair: KeyPair, options: ClientOptions) {
  const store = await createStore((socket) => socket.write(`${head(2)}ok`), keyPair)
  return { store, ...clientOf(await store.listen(), options) }
}

describe('a certificate', () => {
  it.each([
    ['127.0.0.1', false],
    ['localhost', 'localhost'],
  ])('that an authority has issued for the host is accepted: %s', async (hostname, servername) => {
    const { store, get } = await startWith(await authority.issue('store'), { hostname, ...isVerified })
    const { body } = await get()
    expect(String(await collect(body))).toBe('ok')
    expect(body).toBeInstanceOf(AnswerBody)
    expect(store.sockets[0]).toMatchObject({ servername, alpnProtocol: 'http/1.1' })
  })

  const refused = [
    [
      'that nobody vouches for',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      () => Authority.create('x').then((x) => x.issue('y')),
    ],
    [
      'for another host',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      () => authority.issue('store', { hosts: ['other.example'] }),
    ],
    [
      'that has expired',
      'CERT_HAS_EXPIRED',
      () => authority.issue('store', { validTo: new Date(Date.now() - 1_000) }),
    ],
  ] as const

  it.each(refused)('%s is refused: %s', async (_what, code, issue) => {
    const { store, get } = await startWith(await issue(), isVerified)
    await expect(get()).rejects.toMatchObject({ code })
    expect(store.connectionCount).toBe(1)
    expect(store.requests).toEqual([])
    await expect(get({ chunksAreLent: false })).rejects.toMatchObject({ code })
  })

  it.each(refused)('%s is accepted if none is verified', async (_what, _code, issue) => {
    const { get } = await startWith(await issue(), { rejectUnauthorized: false })
    const { body } = await get()
    expect(body).toBeInstanceOf(AnswerBody)
    expect(String(await collect(body))).toBe('ok')
  })
})

describe('a connection', () => {
  it('continues the session of an earlier one', async () => {
    const areReused: boolean[] = []
    const { store, get } = await start((socket) => {
      areReused.push((socket as TLSSocket).isSessionReused())
      socket.write(`${head(2)}ok`)
    })
    for (let round = 0; round < 3; round++) {
      await collect((await get()).body)
      store.sockets[round]?.end()
      await closed(store.sockets[round])
    }
    expect(areReused).toEqual([false, true, true])
  })

  it('whose handshake does not end is given up', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const { get } = clientOf(port, { connectionTimeoutMs: 50 })
    await expect(get()).rejects.toMatchObject({ name: 'TimeoutError', message: 'no connection to the store' })
    silent.close()
    for (const socket of sockets) socket.destroy()
  })

  it('to a store without TLS fails as it does in the ordinary way', async () => {
    const plain = createServer((socket) =>
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    )
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
    const { get } = clientOf((plain.address() as { port: number }).port)
    for (const chunksAreLent of [true, false])
      await expect(get({ chunksAreLent })).rejects.toMatchObject({ code: 'EPROTO' })
    plain.close()
  })

  it('is not shared with a store of the same address without TLS', async () => {
    const { store, get } = await start((socket) => socket.write(`${head(2)}ok`))
    await collect((await get()).body)
    await expect(get({ changed: { protocol: 'http:' } })).rejects.toThrow()
    expect(store.requests).toHaveLength(1)
  })
})
