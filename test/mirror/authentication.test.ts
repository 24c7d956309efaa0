/** How the client proves who it is to an upstream, and where it goes with that. */
import { chmod, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { azureCredentials, googleCredentials } from '../../src/client/cloud-credentials.ts'
import { helperCredentials } from '../../src/client/credential-helper.ts'
import { fixedCredentials } from '../../src/client/credentials.ts'
import { openUndiciConnections } from '../../src/client/http/undici-connections.ts'
import { RegistryClient } from '../../src/client/registry-client.ts'
import type { RegistryClientOptions } from '../../src/client/registry-requests.ts'
import { digestOf } from '../../src/core/digest.ts'
import { makeCertificate } from '../support/certificates.ts'
import { name } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const content = Buffer.from('content')
const digest = digestOf(content)

let upstream: ScriptedUpstream
const closing: RegistryClient[] = []
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(content)
})
afterEach(async () => {
  for (const client of closing.splice(0)) await client.close()
  await upstream.stop()
})

const credentials = fixedCredentials({ username: 'alice', password: 'secret' })
const ALICE = `Basic ${Buffer.from('alice:secret').toString('base64')}`

function clientOf(options: Partial<RegistryClientOptions> = {}): RegistryClient {
  const client = new RegistryClient({
    ...{ url: upstream.url, userAgent: 'entrepot/test', openConnections: openUndiciConnections },
    ...options,
  })
  closing.push(client)
  return client
}

const read = async (client: RegistryClient) => {
  const { chunks } = await client.openBlob(name('a'), digest)
  return (await buffer(chunks)).toString()
}

/** A registry whose tokens are good for a number of requests, given out at /token by itself. */
function withTokens({ uses = Infinity, expiresIn = 300, realm = `${upstream.url}/token` } = {}) {
  let token = 0
  let left = 0
  upstream.script = (request, response) => {
    if (request.url?.startsWith('/token')) {
      token++
      left = uses
      response.writeHead(200).end(JSON.stringify({ token: `token-${token}`, expires_in: expiresIn }))
      return true
    }
    if (request.headers.authorization === `Bearer token-${token}` && left-- > 0) return false
    return challenge(response, `Bearer realm="${realm}",service="reg",scope="repository:a:pull"`)
  }
}

function challenge(response: ServerResponse, header: string): boolean {
  response.writeHead(401, { 'www-authenticate': header }).end()
  return true
}

test('a challenge of Basic is answered, and then nobody asks again', async () => {
  upstream.script = ({ headers }, response) =>
    headers.authorization === ALICE ? false : challenge(response, 'Basic realm="here"')
  const client = clientOf({ credentials })
  for (let round = 1; round <= 3; round++) expect(await read(client)).toBe('content')
  expect(upstream.requests).toHaveLength(4)
})

test('a token is fetched once for its scope', async () => {
  withTokens()
  const client = clientOf({ credentials })
  for (let round = 1; round <= 3; round++) expect(await read(client)).toBe('content')
  const [asked, ...more] = upstream.seen('GET', /^\/token/)
  expect(more).toEqual([])
  expect(asked?.headers.authorization).toBe(ALICE)
  expect(asked?.path).toBe('/token?service=reg&scope=repository%3Aa%3Apull')
})

test('a token that has expired is replaced', async () => {
  withTokens({ expiresIn: 0.001 })
  const client = clientOf()
  for (let round = 1; round <= 2; round++) expect(await read(client)).toBe('content')
})

test('a token that is refused before its time is replaced', async () => {
  withTokens({ uses: 1 })
  const client = clientOf()
  for (let round = 1; round <= 3; round++) expect(await read(client)).toBe('content')
  expect(upstream.seen('GET', /^\/token/)).toHaveLength(3)
})

test('who is refused again and again gives up', async () => {
  upstream.script = ({ url = '' }, response) => {
    if (url.startsWith('/token')) response.end('{"token": "no good"}'.replace(' good', '-good'))
    else challenge(response, `Bearer realm="${upstream.url}/token"`)
    return true
  }
  await expect(read(clientOf())).rejects.toMatchObject({ code: 'REFUSED' })
  expect(upstream.requests.length).toBeLessThanOrEqual(5)
})

test.each([
  'http://attacker.example/token',
  'https://attacker.example/token',
  'https://127.0.0.2/token',
  'file:///etc/passwd',
  'token',
])('the login is not sent to the realm %s', async (realm) => {
  withTokens({ realm })
  await expect(read(clientOf({ credentials }))).rejects.toMatchObject({ code: 'INVALID' })
})

describe('a redirect', () => {
  let elsewhere: ScriptedUpstream
  beforeEach(async () => {
    elsewhere = await ScriptedUpstream.start()
    elsewhere.script = (_, response) => {
      response.end('content')
      return true
    }
  })
  afterEach(() => elsewhere.stop())

  const redirectTo = (location: string | ((request: IncomingMessage) => string)) => {
    upstream.script = (request, response) => {
      if (request.headers.authorization !== ALICE) return challenge(response, 'Basic realm="here"')
      const target = typeof location === 'string' ? location : location(request)
      response.writeHead(307, { location: target }).end()
      return true
    }
  }

  test('to another host loses the login', async () => {
    redirectTo(`${elsewhere.url}/signed?x=1`)
    const client = clientOf({ credentials, redirectNetworks: ['127.0.0.0/8'] })
    expect(await read(client)).toBe('content')
    expect(elsewhere.requests).toMatchObject([{ path: '/signed?x=1' }])
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined()
  })

  test('to a private address is refused, by number and by name', async () => {
    for (const location of [
      elsewhere.url,
      elsewhere.url.replace('127.0.0.1', 'localhost'),
      elsewhere.url.replace('127.0.0.1', '[::ffff:127.0.0.1]'),
      elsewhere.url.replace('127.0.0.1', '0x7f.1'),
      'http://169.254.169.254/latest/meta-data',
    ]) {
      redirectTo(location)
      await expect(read(clientOf({ credentials })), location).rejects.toMatchObject({ code: 'INVALID' })
    }
    expect(elsewhere.requests).toEqual([])
  })

  test.each(['ftp://example.com/', 'file:///etc/passwd', 'https://me:secret@example.com/', 'http://['])(
    'to %s is refused',
    async (location) => {
      redirectTo(location)
      await expect(read(clientOf({ credentials }))).rejects.toMatchObject({ code: 'INVALID' })
    },
  )

  test('without end is refused', async () => {
    redirectTo(({ url }) => `${url}x`)
    await expect(read(clientOf({ credentials }))).rejects.toMatchObject({ code: 'INVALID' })
    expect(upstream.requests.length).toBeLessThan(10)
  })
})

describe('a credential helper', () => {
  const helper = async (folder: string, script: string) => {
    const command = join(folder, 'docker-credential-test')
    await writeFile(command, `#!/bin/sh\necho "$1 $(cat)" >> "${folder}/calls"\n${script}\n`)
    await chmod(command, 0o755)
    return command
  }
  const ANSWER = `echo '{"ServerURL": "x", "Username": "alice", "Secret": "secret"}'`

  test('is asked once, or as often as is configured', async () => {
    await using folder = await temporaryFolder()
    const command = await helper(folder.path, ANSWER)
    const once = helperCredentials({ command, lifetimeMs: undefined, serverUrl: 'https://a' })
    for (let round = 1; round <= 2; round++)
      expect(await once.get()).toMatchObject({ username: 'alice', password: 'secret' })
    const always = helperCredentials({ command, lifetimeMs: 0, serverUrl: 'https://a' })
    for (let round = 1; round <= 2; round++) await always.get()
    const { readFile } = await import('node:fs/promises')
    const calls = await readFile(join(folder.path, 'calls'), 'utf8')
    expect(calls.trim().split('\n')).toEqual(Array(3).fill('get https://a'))
  })

  test('is asked again when its answer was refused', async () => {
    await using folder = await temporaryFolder()
    const command = await helper(folder.path, ANSWER)
    const source = helperCredentials({ command, lifetimeMs: undefined, serverUrl: 'https://a' })
    await source.get()
    source.refused()
    await source.get()
  })

  test.each(['exit 1', 'echo no json', 'echo {}'])('that does "%s" gives none', async (script) => {
    await using folder = await temporaryFolder()
    const command = await helper(folder.path, script)
    const source = helperCredentials({ command, lifetimeMs: undefined, serverUrl: 'https://a' })
    await expect(source.get()).rejects.toThrow()
    upstream.script = (_, response) => challenge(response, 'Basic realm="here"')
    await expect(read(clientOf({ credentials: source }))).rejects.toMatchObject({ code: 'REFUSED' })
  })
})

test('a token of Entra is exchanged for one of the Azure Container Registry', async () => {
  const refresh = `x.${Buffer.from(JSON.stringify({ exp: Date.now() / 1000 + 3_600 })).toString('base64url')}.x`
  const login = `Basic ${Buffer.from(`00000000-0000-0000-0000-000000000000:${refresh}`).toString('base64')}`
  upstream.script = ({ url, headers }, response) => {
    if (url === '/oauth2/exchange') response.end(JSON.stringify({ refresh_token: refresh }))
    else if (headers.authorization === login) return false
    else return challenge(response, 'Basic realm="azure"')
    return true
  }
  const client = clientOf({ credentials: azureCredentials(upstream.url, async () => 'of Entra') })
  for (let round = 1; round <= 2; round++) expect(await read(client)).toBe('content')
  expect(upstream.seen('POST', /./)).toHaveLength(1)
})

test("a token of Google's is a password", async () => {
  const login = `Basic ${Buffer.from('oauth2accesstoken:of Google').toString('base64')}`
  upstream.script = ({ headers }, response) =>
    headers.authorization === login ? false : challenge(response, 'Basic realm="google"')
  expect(await read(clientOf({ credentials: googleCredentials(async () => 'of Google') }))).toBe('content')
})

test('the limit of the rate is known', async () => {
  upstream.script = (_, response) => {
    response.setHeader('ratelimit-limit', '100;w=21600')
    response.setHeader('ratelimit-remaining', '76;w=21600')
    return false
  }
  const client = clientOf()
  await client.headBlob(name('a'), digest)
  expect(client.rateLimit).toEqual({ limit: 100, remaining: 76 })
})

test('an authority of our own is trusted where it is named, and only there', async () => {
  const alternativeNames = [{ type: 'ip', value: '127.0.0.1' }] as const
  const { pem: cert, privateKey } = await makeCertificate({
    ca: true,
    alternativeNames: [...alternativeNames],
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await using encrypted = await ScriptedUpstream.start({ tls: { cert, key } })
  encrypted.addBlob(content)
  expect(await read(clientOf({ url: encrypted.url, ca: [cert] }))).toBe('content')
  await expect(read(clientOf({ url: encrypted.url }))).rejects.toMatchObject({ code: 'UNREACHABLE' })
})
