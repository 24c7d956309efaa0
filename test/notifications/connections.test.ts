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

/** A receiver with a certificate of its own, which an authority has issued. */
async function startSecureReceiver(folder: string, alternativeName: { type: 'ip' | 'dns'; value: string }) {
  const authority = await makeCertificate({ name: 'CN=authority', ca: true })
  const own = await makeCertificate({
    ...{ name: 'CN=receiver', issuer: authority },
    alternativeNames: [alternativeName],
  })
  const rootcas = [`${folder}/authority.pem`]
  await writeFile(`${folder}/authority.pem`, authority.pem)
  const received: ReceivedEvent[] = []
  const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const server = createServer({ cert: own.pem, key }, async (request, response) => {
    received.push(...eventsIn(await buffer(request)))
    response.end()
  })
  const refusals = { count: 0 }
  server.on('tlsClientError', () => refusals.count++)
  const port = await listen(server)
  const repositories = () => new Set(received.map(({ target }) => target.repository))
  return { rootcas, port, refusals, repositories, [Symbol.asyncDispose]: () => close(server) }
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections()
  server.close()
}

test('a receiver whose certificate only rootcas trusts is told; without them it is not', async () => {
  await using folder = await temporaryFolder()
  await using receiver = await startSecureReceiver(folder.path, { type: 'ip', value: '127.0.0.1' })
  const { rootcas, port, refusals, repositories } = receiver
  const url = `https://127.0.0.1:${port}/events`
  await using trusting = await start({ url, rootcas })
  await using other = await start({ url })
  await other.client.pushBlob('other', Buffer.from('bytes'))
  await until(() => refusals.count > 0)
  await trusting.client.pushBlob('a', Buffer.from('bytes'))
  await until(() => repositories().size > 0)
  expect(repositories()).toEqual(new Set(['a']))
})

/** A proxy that sends everything to one port of this machine. */
async function startProxy(port: number) {
  const asked = new Set<string>()
  // As clients like it: what is asked for by its whole URL, and tunnels.
  const proxy = createProxy((request, response) => {
    const { method, headers, url = '' } = request
    asked.add(new URL(url).hostname)
    const { pathname } = new URL(url)
    const onward = forward(`http://127.0.0.1:${port}${pathname}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  proxy.on('connect', (request, socket) => {
    asked.add(new URL(`http://${request.url}`).hostname)
    const onward = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.pipe(socket).pipe(onward)
    for (const end of [onward, socket]) end.on('error', () => end.destroy())
  })
  const url = `http://127.0.0.1:${await listen(proxy)}`
  return { url, asked, [Symbol.asyncDispose]: () => close(proxy) }
}

function setProxies(environment: Record<string, string>): void {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, environment[name])
    vi.stubEnv(name.toLowerCase(), undefined)
  }
}

test('a receiver is reached through the proxy of the environment; one on this machine is not', async () => {
  await using far = await EventReceiver.start()
  await using near = await EventReceiver.start()
  await using proxy = await startProxy(far.port)
  setProxies({ HTTP_PROXY: proxy.url })
  await using registry = await start({ url: 'http://receiver.test/events' })
  await using local = await start({ url: near.url })
  await registry.client.pushBlob('a', Buffer.from('bytes'))
  await until(() => far.events.length > 0)
  await local.client.pushBlob('a', Buffer.from('bytes'))
  await until(() => near.events.length > 0)
  expect(proxy.asked).toEqual(new Set(['receiver.test']))
})

test('a receiver that rootcas trusts is reached through a tunnel of the proxy; NO_PROXY names those that are not', async () => {
  await using folder = await temporaryFolder()
  await using receiver = await startSecureReceiver(folder.path, { type: 'dns', value: 'receiver.test' })
  const { rootcas, refusals, repositories } = receiver
  await using proxy = await startProxy(receiver.port)
  setProxies({ HTTPS_PROXY: proxy.url, NO_PROXY: 'direct.test' })
  await using trusting = await start({ url: 'https://receiver.test/events', rootcas })
  await using other = await start({ url: 'https://receiver.test/events' })
  await using direct = await start({ url: 'https://direct.test/events', rootcas })
  await direct.client.pushBlob('direct', Buffer.from('bytes'))
  await other.client.pushBlob('other', Buffer.from('bytes'))
  await until(() => refusals.count > 0)
  await trusting.client.pushBlob('a', Buffer.from('bytes'))
  await until(() => repositories().size > 0)
  expect(repositories()).toEqual(new Set(['a']))
  expect(proxy.asked).toEqual(new Set(['receiver.test']))
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
