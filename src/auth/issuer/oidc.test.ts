import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test, vi } from 'vitest'
import { WorkloadIdentity } from './oidc.ts'

test('keys that have moved are found again, without a restart', async () => {
  let path = '/first'
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pairs = { '/first': await generateKeyPair('ES256'), '/second': await generateKeyPair('ES256') }
  const documents: Record<string, () => Promise<unknown>> = {
    '/.well-known/openid-configuration': async () => ({ issuer, jwks_uri: issuer + path }),
  }
  for (const [at, { publicKey }] of Object.entries(pairs))
    documents[at] = async () =>
      at === path ? { keys: [{ ...(await exportJWK(publicKey)), kid: at, alg: 'ES256' }] } : undefined
  server.on('request', async ({ url = '' }, response) => {
    const document = await documents[url]?.()
    response.statusCode = document === undefined ? 404 : 200
    response.end(JSON.stringify(document))
  })
  const claims = { user: 'sub', groups: [], require: {} }
  const identity = new WorkloadIdentity([{ issuer, audience: 'us', prefix: 'ci:', claims }])
  const token = (at: keyof typeof pairs) =>
    new SignJWT({ sub: 'job' })
      .setProtectedHeader({ alg: 'ES256', kid: at })
      .setIssuer(issuer)
      .setAudience('us')
      .setExpirationTime('1 minute')
      .sign(pairs[at].privateKey)
  try {
    expect(await identity.verify(await token('/first'))).toEqual({ name: 'ci:job', groups: [] })
    path = '/second'
    // Longer than keys are cached.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    expect(await identity.verify(await token('/second'))).toEqual({ name: 'ci:job', groups: [] })
  } finally {
    vi.useRealTimers()
    server.close()
    server.closeAllConnections()
  }
})
