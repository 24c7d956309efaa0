/** How receivers are reached: by TLS with certificates of one's own, and through the proxy of the environment. */
import { writeFile } from 'node:fs/promises'
import { createServer as createProxy, request as forward, type Server } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { afterEach, expect, test, vi } from 'vitest'
import { makeCertificate } from '../support/certificates.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { EventReceiver, eventsIn, type ReceivedEvent } from '../support/event-receiver.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'
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

/** A program runs with other names of hosts, for which root is needed. */
const withHosts = (hosts: string) => [
  ...['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', hosts],
]

test('a name of the internet that stands for a private address is not called, unless that is configured', async ({
  skip,
}) => {
  await using folder = await temporaryFolder()
  const hosts = `${folder.path}/hosts`
  await writeFile(hosts, '127.0.0.1 localhost receiver.example.com\n')
  const [program = '', ...args] = withHosts(hosts)
  const mayMount = await run(program, [...args, 'true']).then(
    () => true,
    () => false,
  )
  if (!mayMount) return skip('names of hosts can be changed by root only')
  await using receiver = await EventReceiver.start()
  const url = `http://receiver.example.com:${receiver.port}`
  const lines: string[] = []
  const retries = { threshold: 2, backoff: '20ms', maxbackoff: '50ms' }
  const endpoints = [
    { name: 'refused', url: `${url}/refused`, ...retries },
    { name: 'configured', url: `${url}/configured`, privatenetworks: ['127.0.0.0/8'], ...retries },
  ]
  await using server = await startEntrepot(
    {
      ...{ dataFolder: `${folder.path}/data`, configFolder: folder.path },
      environment: { HTTP_PROXY: '', http_proxy: '', ALL_PROXY: '', all_proxy: '' },
      config: { notifications: { endpoints } },
    },
    { under: withHosts(hosts), onLine: (line) => lines.push(line) },
  )
  const paths = new Set<string | undefined>()
  receiver.answer = (_, response) => {
    paths.add(response.req.url)
    response.end()
  }
  await new RegistryClient(server.url).pushBlob('a', Buffer.from('bytes'))
  await until(() => paths.size > 0 && lines.some((line) => line.includes('"reason":"PRIVATE_ADDRESS"')))
  expect(paths).toEqual(new Set(['/configured']))
})

test('secrets of files are added, and changed while the registry runs', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder()
  await using receiver = await EventReceiver.start()
  const [fixed, first, second] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64'))
  const file = `${folder.path}/secrets`
  await writeFile(file, `whsec_${first}\n`)
  await using registry = await start({ url: receiver.url, secrets: [fixed], secretfiles: [file] })
  const verifiers = async (content: string) => {
    receiver.forget()
    await registry.client.pushBlob('a', Buffer.from(content))
    await until(() => receiver.posts.length > 0)
    const [{ headers, body }] = receiver.posts as [(typeof receiver.posts)[0]]
    return [fixed, first, second].map((secret) => {
      try {
        return Boolean(new Webhook(secret!).verify(body.toString(), headers as Record<string, string>))
      } catch {
        return false
      }
    })
  }
  expect(await verifiers('before')).toEqual([true, true, false])
  await writeFile(file, `\n${second}\n`)
  let count = 0
  await expect.poll(() => verifiers(`after ${count++}`), { interval: 500 }).toEqual([true, false, true])
  // A file that is gone or wrong changes nothing.
  await writeFile(file, 'nonsense\n')
  expect(await verifiers('broken')).toEqual([true, false, true])
})
