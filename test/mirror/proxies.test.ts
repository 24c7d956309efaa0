/** Upstreams behind a proxy of the environment. */
import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openUndiciConnections } from '../../src/client/http/undici-connections.ts'
import { RegistryClient } from '../../src/client/registry-client.ts'
import { digestOf } from '../../src/core/digest.ts'
import { makeCertificate } from '../support/certificates.ts'
import { name } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const content = Buffer.from('content')
let asked: string[]
/** Leads any name to 127.0.0.1, so that only the proxy can reach it. */
const proxy = createServer((incoming, response) => {
  const { method, url = '', headers } = incoming
  asked.push(url)
  const { port, pathname } = new URL(url)
  incoming.pipe(
    forward({ method, port, path: pathname, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    }),
  )
}).on('connect', ({ url = '' }, socket) => {
  asked.push(url)
  const upstream = connect(Number(url.split(':')[1]), '127.0.0.1')
  for (const one of [socket, upstream]) one.on('error', () => {})
  socket.write('HTTP/1.1 200 OK\r\n\r\n')
  upstream.pipe(socket).pipe(upstream)
})

beforeEach(async () => {
  asked = []
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  vi.stubEnv('http_proxy', url)
  vi.stubEnv('https_proxy', url)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  proxy.closeAllConnections()
  await new Promise((resolve) => proxy.close(resolve))
})

async function read(url: string, ca: string[] = []): Promise<string> {
  const client = new RegistryClient({
    ...{ url, ca, userAgent: 'entrepot/test', openConnections: openUndiciConnections },
  })
  try {
    return (await buffer((await client.openBlob(name('a'), digestOf(content))).chunks)).toString()
  } finally {
    await client.close()
  }
}

test('an upstream is asked through the proxy', async () => {
  await using upstream = await ScriptedUpstream.start()
  upstream.addBlob(content)
  const { port } = new URL(upstream.url)
  expect(await read(`http://registry.invalid:${port}`)).toBe('content')
  expect(asked.join()).toContain('registry.invalid')
})

test('an encrypted one too, with an authority of its own', async () => {
  const alternativeNames = [{ type: 'dns', value: 'registry.invalid' }] as const
  const { pem, privateKey } = await makeCertificate({ ca: true, alternativeNames: [...alternativeNames] })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await using upstream = await ScriptedUpstream.start({ tls: { cert: pem, key } })
  upstream.addBlob(content)
  const { port } = new URL(upstream.url)
  const url = `https://registry.invalid:${port}`
  expect(await read(url, [pem])).toBe('content')
  await expect(read(url)).rejects.toMatchObject({ code: 'UNREACHABLE' })
  expect(asked).toEqual(Array(asked.length).fill(`registry.invalid:${port}`))
})

test('one that NO_PROXY names is asked directly', async () => {
  await using upstream = await ScriptedUpstream.start()
  upstream.addBlob(content)
  vi.stubEnv('no_proxy', '127.0.0.1')
  expect(await read(upstream.url)).toBe('content')
  expect(asked).toEqual([])
})
