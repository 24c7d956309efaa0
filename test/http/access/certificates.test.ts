/** A client's certificate over a real TLS connection, from the socket to the user. */
import { once } from 'node:events'
import { createServer, get, type RequestOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { BlockList } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AccessControl, openAccessControl } from '../../../src/auth/access-control.ts'
import type { Identity } from '../../../src/core/access/access-controller.ts'
import { parseRepositoryName } from '../../../src/core/reference.ts'
import { RequestCredentials } from '../../../src/http/request/credentials.ts'
import { basic, rule } from '../../support/access.ts'
import { type Certificate, makeCertificate } from '../../support/certificates.ts'
import { quiet } from '../../support/http-registry.ts'

let ca: Certificate
let access: AccessControl
let server: ReturnType<typeof createServer>
const seen: Identity[] = []

beforeAll(async () => {
  ca = await makeCertificate({ name: 'CN=clients', ca: true })
  const own = await makeCertificate({
    name: 'CN=server',
    alternativeNames: [{ type: 'ip', value: '127.0.0.1' }],
  })
  access = await openAccessControl(
    { certificate: { user: 'commonname' }, oidc: [], groups: {}, rules: [rule('a', 'alice', 'push')] },
    { log: quiet },
  )
  const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' })
  server = createServer(
    { cert: own.pem, key, ca: ca.pem, requestCert: true, rejectUnauthorized: false },
    async (request, response) => {
      try {
        const identity = await access.controller.identify(new RequestCredentials(request, new BlockList()))
        seen.push(identity)
        response.end(`${identity.proof} ${identity.name} ${identity.may('push', parseRepositoryName('a'))}`)
      } catch {
        response.writeHead(401).end()
      }
    },
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  access.close()
})

async function ask(client?: Certificate, options: RequestOptions = {}): Promise<string> {
  const { port } = server.address() as AddressInfo
  const identity = client && {
    cert: client.pem,
    key: client.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  const request = get({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    agent: false,
    ...identity,
    ...options,
  })
  const [answer] = await once(request, 'response')
  return answer.statusCode === 200 ? text(answer) : String(answer.statusCode)
}

test('a certificate of the configured authority is its user', async () => {
  const alice = await makeCertificate({ name: 'CN=alice', issuer: ca })
  expect(await ask(alice)).toBe('certificate alice true')
  expect(await ask(await makeCertificate({ name: 'CN=bob', issuer: ca }))).toBe('certificate bob false')
})

test('one of another authority, or one that has expired, is nobody’s', async () => {
  const other = await makeCertificate({ name: 'CN=clients', ca: true })
  expect(await ask(await makeCertificate({ name: 'CN=alice', issuer: other }))).toBe('none  false')
  expect(await ask(await makeCertificate({ name: 'CN=alice' }))).toBe('none  false')
  const expired = await makeCertificate({
    name: 'CN=alice',
    issuer: ca,
    notAfter: new Date(Date.now() - 1000),
  })
  expect(await ask(expired)).toBe('none  false')
  expect(await ask()).toBe('none  false')
})

test('credentials that are sent count before a certificate', async () => {
  const alice = await makeCertificate({ name: 'CN=alice', issuer: ca })
  expect(await ask(alice, { headers: basic('mallory') })).toBe('401')
})
