/** The identities that clouds give to machines, by the clouds' own SDKs: each asks a local server that speaks its API. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { azureCredentials, googleCredentials } from '../../src/client/cloud-credentials.ts'
import type { CredentialSource } from '../../src/client/credentials.ts'
import { ecrCredentials, ecrRegionOf } from '../../src/client/ecr-credentials.ts'
import { openUndiciConnections } from '../../src/client/http/undici-connections.ts'
import { RegistryClient } from '../../src/client/registry-client.ts'
import { digestOf } from '../../src/core/digest.ts'
import { name } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

interface CloudReply {
  readonly status?: number
  readonly body: unknown
}

const content = Buffer.from('content')
let upstream: ScriptedUpstream
let asked: { url: string; headers: IncomingMessage['headers']; body: string }[]
let reply: () => CloudReply
const cloud = createServer(async (request, response) => {
  const body = (await buffer(request)).toString()
  asked.push({ url: request.url ?? '', headers: request.headers, body })
  const { status = 200, body: answer } = reply()
  response.writeHead(status, { 'content-type': 'application/json', 'metadata-flavor': 'Google' })
  response.end(JSON.stringify(answer))
})
let cloudHost: string

beforeEach(async () => {
  asked = []
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(content)
  cloud.listen(0, '127.0.0.1')
  await once(cloud, 'listening')
  cloudHost = `127.0.0.1:${(cloud.address() as AddressInfo).port}`
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await upstream.stop()
  cloud.closeAllConnections()
  await new Promise((resolve) => cloud.close(resolve))
})

/** Only this user and password may pull. */
function admit(user: string, password: () => string): void {
  upstream.script = ({ headers, url }, response) => {
    if (url === '/oauth2/exchange') return false
    const login = `Basic ${Buffer.from(`${user}:${password()}`).toString('base64')}`
    if (headers.authorization === login) return false
    response.writeHead(401, { 'www-authenticate': 'Basic realm="cloud"' }).end()
    return true
  }
}

async function pull(credentials: CredentialSource): Promise<string> {
  const client = new RegistryClient({
    ...{ url: upstream.url, userAgent: 'entrepot/test', credentials },
    openConnections: openUndiciConnections,
  })
  try {
    return (await buffer((await client.openBlob(name('a'), digestOf(content))).chunks)).toString()
  } finally {
    await client.close()
  }
}

const HOUR = 3_600

/** A token as ECR answers it. */
function ecrToken(password: string, lifetimeSeconds = 12 * HOUR): CloudReply {
  const authorizationToken = Buffer.from(`AWS:${password}`).toString('base64')
  const expiresAt = Date.now() / 1000 + lifetimeSeconds
  return { body: { authorizationData: [{ authorizationToken, expiresAt, proxyEndpoint: upstream.url }] } }
}

function stubEcr(): CredentialSource {
  vi.stubEnv('AWS_ENDPOINT_URL_ECR', `http://${cloudHost}`)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.stubEnv('AWS_REGION', 'eu-west-1')
  return ecrCredentials(upstream.url)
}

test('ECR gives a token, once for all pulls', async () => {
  const credentials = stubEcr()
  reply = () => ecrToken('first')
  admit('AWS', () => 'first')
  expect(await Promise.all([pull(credentials), pull(credentials)])).toEqual(['content', 'content'])
  expect(await pull(credentials)).toBe('content')
  expect(asked).toHaveLength(1)
  const { headers } = asked[0]!
  expect(headers['x-amz-target']).toBe('AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken')
  expect(headers.authorization).toContain('/eu-west-1/ecr/aws4_request')
})

test("ECR's token is fetched again before it expires, and when it is refused", async () => {
  const credentials = stubEcr()
  let password = 'first'
  reply = () => ecrToken(password, HOUR / 4) // less than the margin
  admit('AWS', () => password)
  await pull(credentials)
  await pull(credentials)
  expect(asked.length).toBeGreaterThanOrEqual(2)
  reply = () => ecrToken(password)
  await pull(credentials)
  const before = asked.length
  password = 'second'
  expect(await pull(credentials)).toBe('content')
  expect(asked).toHaveLength(before + 1)
})

test('ECR is asked through a proxy of the environment', async () => {
  const credentials = stubEcr()
  vi.stubEnv('AWS_ENDPOINT_URL_ECR', 'http://ecr.invalid')
  vi.stubEnv('http_proxy', `http://${cloudHost}`)
  vi.stubEnv('no_proxy', '127.0.0.1')
  reply = () => ecrToken('first')
  admit('AWS', () => 'first')
  expect(await pull(credentials)).toBe('content')
  expect(asked.map(({ url }) => url)).toEqual(['http://ecr.invalid/'])
})

test.each<[string, CloudReply]>([
  ['refuses', { status: 400, body: { __type: 'AccessDeniedException', message: 'no' } }],
  ['gives nothing', { body: {} }],
])('that ECR %s is a refusal', async (_, answer) => {
  const credentials = stubEcr()
  reply = () => answer
  admit('AWS', () => 'first')
  await expect(pull(credentials)).rejects.toMatchObject({ code: 'REFUSED' })
})

test.each([
  ['123456789012.dkr.ecr.eu-west-1.amazonaws.com', 'eu-west-1'],
  ['123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  ['123456789012.dkr-ecr.us-east-1.on.aws', 'us-east-1'],
  ['registry.example', undefined],
])('the region of %s', (host, region) => {
  expect(ecrRegionOf(host)).toBe(region)
})

test("the metadata service gives the token of a machine's service account", async () => {
  vi.stubEnv('GCE_METADATA_HOST', cloudHost)
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
  reply = () => ({ body: { access_token: 'of Google', expires_in: HOUR, token_type: 'Bearer' } })
  admit('oauth2accesstoken', () => 'of Google')
  expect(await pull(googleCredentials())).toBe('content')
  expect(asked.map(({ url }) => url).join()).toContain('/instance/service-accounts/default/token')
})

test('a managed identity is exchanged for a token of the Azure Container Registry', async () => {
  vi.stubEnv('IDENTITY_ENDPOINT', `http://${cloudHost}/identity`)
  vi.stubEnv('IDENTITY_HEADER', 'header')
  vi.stubEnv('AZURE_TOKEN_CREDENTIALS', 'prod')
  const expires = Math.floor(Date.now() / 1000) + HOUR
  reply = () => ({
    body: { access_token: 'of Entra', expires_on: expires, token_type: 'Bearer', resource: 'r' },
  })
  const refresh = `x.${Buffer.from(JSON.stringify({ exp: expires })).toString('base64url')}.x`
  admit('00000000-0000-0000-0000-000000000000', () => refresh)
  const admitted = upstream.script
  let form = ''
  upstream.script = async (request, response) => {
    if (request.url !== '/oauth2/exchange') return admitted(request, response)
    form = (await buffer(request)).toString()
    response.end(JSON.stringify({ refresh_token: refresh }))
    return true
  }
  expect(await pull(azureCredentials(upstream.url))).toBe('content')
  expect(new URLSearchParams(form).get('access_token')).toBe('of Entra')
  expect(asked[0]!.url).toContain('resource=https%3A%2F%2Fcontainerregistry.azure.net')
})
