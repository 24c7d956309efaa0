/** How receivers are reached: by TLS with certificates of one's own, and through the proxy of the environment. */
import { writeFile } from 'node:fs/promises'
import { createServer as createProxy, request as forward, type Server } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import { makeCertificate } from '../support/certificates.ts'
import { EventReceiver, eventsIn, type ReceivedEvent } from '../support/event-receiver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NotifyingRegistryUnderTest, until } from './support.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

const start = (endpoint: object) =>
  NotifyingRegistryUnderTest.start({
    storage: { inmemory: {} },
    notifications: { endpoints: [{ name: 'receiver', backoff: '50ms', timeout: '5s', ...endpoint }] },
  })

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

test('a receiver whose certificate only rootcas trusts is told; without them it is not', async () => {
  await using folder = await temporaryFolder()
  const authority = await makeCertificate({ name: 'CN=authority', ca: true })
  const own = await makeCertificate({
    ...{ name: 'CN=receiver', issuer: authority },
    alternativeNames: [{ type: 'ip', value: '127.0.0.1' }],
  })
  const rootcas = [`${folder.path}/authority.pem`]
  await writeFile(`${folder.path}/authority.pem`, authority.pem)
  const received: ReceivedEvent[] = []
  let refused = 0
  const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createServer({ cert: own.pem, key }, async (request, response) => {
    received.push(...eventsIn(await buffer(request)))
    response.end()
  })
  server.on('tlsClientError', () => refused++)
  const url = `https://127.0.0.1:${await listen(server)}/events`
  try {
    await using trusting = await start({ url, rootcas })
    await using other = await start({ url })
    await other.client.pushBlob('other', Buffer.from('bytes'))
    await until(() => refused > 0)
    await trusting.client.pushBlob('a', Buffer.from('bytes'))
    await until(() => received.length > 0)
    expect(new Set(received.map(({ target }) => target.repository))).toEqual(new Set(['a']))
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('a receiver is reached through the proxy of the environment; one on this machine is not', async () => {
  await using far = await EventReceiver.start()
  await using near = await EventReceiver.start()
  const asked: string[] = []
  // As clients like it: what is asked for by its whole URL, and tunnels.
  const proxy = createProxy((request, response) => {
    asked.push(new URL(request.url ?? '').hostname)
    const { method, headers } = request
    const onward = forward(far.url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  proxy.on('connect', (request, socket) => {
    asked.push(new URL(`http://${request.url}`).hostname)
    const onward = connect(far.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.pipe(socket).pipe(onward)
    for (const end of [onward, socket]) end.on('error', () => end.destroy())
  })
  vi.stubEnv('HTTP_PROXY', `http://127.0.0.1:${await listen(proxy)}`)
  vi.stubEnv('http_proxy', undefined)
  vi.stubEnv('NO_PROXY', undefined)
  vi.stubEnv('no_proxy', undefined)
  try {
    await using registry = await start({ url: 'http://receiver.test/events' })
    await using local = await start({ url: near.url })
    await registry.client.pushBlob('a', Buffer.from('bytes'))
    await until(() => far.events.length > 0)
    await local.client.pushBlob('a', Buffer.from('bytes'))
    await until(() => near.events.length > 0)
    expect(new Set(asked)).toEqual(new Set(['receiver.test']))
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
})
