/** Tokens of an issuer elsewhere: which are taken, and what comes of those that somebody has made up. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TokenAccessSettings } from '../../../src/auth/token/token-access.ts'
import { bearer } from '../../support/access.ts'
import { type Certificate, makeCertificate } from '../../support/certificates.ts'
import { HttpRegistry, refusal } from '../../support/http-registry.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const pull = [{ type: 'repository', name: 'a', actions: ['pull'] }]

let folder: TemporaryFolder
let root: Certificate
let signing: { publicKey: KeyObject; privateKey: KeyObject }
let rsa: { publicKey: KeyObject; privateKey: KeyObject }
let settings: TokenAccessSettings
let registry: HttpRegistry

beforeAll(async () => {
  folder = await temporaryFolder()
  root = await makeCertificate({ name: 'CN=issuer', ca: true })
  signing = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [rootcertbundle, jwks] = ['roots.pem', 'jwks.json'].map((name) => join(folder.path, name))
  await writeFile(rootcertbundle!, `# the issuer’s\n${root.pem}`)
  const keys = [
    { ...(await exportJWK(signing.publicKey)), kid: 'curve' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa-pinned', alg: 'RS512' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'secret' },
    { ...(await exportJWK(signing.publicKey)) },
  ]
  await writeFile(jwks!, JSON.stringify({ keys }))
  settings = {
    realm: 'https://auth.example.com/token',
    service: 'registry.example.com',
    issuer: 'auth.example.com',
    rootcertbundle: rootcertbundle!,
    jwks: jwks!,
    signingalgorithms: [],
    autoredirect: false,
    autoredirectpath: '/auth/token',
  }
  registry = await HttpRegistry.start({ auth: { token: settings, oidc: [], groups: {} } })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await folder.remove()
})

interface TokenParts {
  readonly header?: Partial<JWTHeaderParameters>
  readonly claims?: Readonly<Record<string, unknown>>
  readonly key?: KeyObject | Uint8Array
}

const now = () => Math.floor(Date.now() / 1000)

function sign({ header, claims, key }: TokenParts = {}): Promise<string> {
  const payload = {
    iss: 'auth.example.com',
    aud: 'registry.example.com',
    sub: 'alice',
    exp: now() + 60,
    nbf: now(),
    access: pull,
    ...claims,
  }
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', kid: 'curve', ...header })
    .sign(key ?? signing.privateKey)
}

async function ask(token: string, request = 'GET /v2/a/tags/list') {
  return registry.send(request, { headers: bearer(token) })
}

/** Let in, there is nothing to be found. */
async function expectTaken(token: string): Promise<void> {
  expect(refusal(await ask(token))).toBe('404 NAME_UNKNOWN')
}

async function expectRefused(token: string): Promise<void> {
  const answer = await ask(token)
  expect(refusal(answer)).toBe('401 UNAUTHORIZED')
  expect(answer.headers['www-authenticate']).toBe(
    'Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a:pull",error="invalid_token"',
  )
}

describe('a token is taken', () => {
  test('that is signed by a key of the set', async () => {
    await expectTaken(await sign())
    await expectTaken(await sign({ header: { alg: 'RS256', kid: 'rsa' }, key: rsa.privateKey }))
    await expectTaken(await sign({ header: { alg: 'PS384', kid: 'rsa' }, key: rsa.privateKey }))
    await expectTaken(await sign({ header: { alg: 'RS512', kid: 'rsa-pinned' }, key: rsa.privateKey }))
  })

  test('that is signed by a certificate of the bundle, or one that it has issued', async () => {
    const leaf = await makeCertificate({ issuer: root })
    const intermediate = await makeCertificate({ name: 'CN=between', issuer: root, ca: true })
    const below = await makeCertificate({ issuer: intermediate })
    for (const [x5c, key] of [
      [[root.base64], root.privateKey],
      [[leaf.base64], leaf.privateKey],
      [[leaf.base64, root.base64], leaf.privateKey],
      [[below.base64, intermediate.base64], below.privateKey],
      [[below.base64, leaf.base64, intermediate.base64, root.base64], below.privateKey],
    ] as const) {
      await expectTaken(await sign({ header: { kid: undefined, x5c: [...x5c] }, key }))
      const jwk = { ...(await exportJWK(createPublicKey(key))), x5c: [...x5c] }
      await expectTaken(await sign({ header: { kid: undefined, jwk }, key }))
    }
  })

  test('that names a certificate’s key as Distribution 3 and as Distribution 2 do', async () => {
    const { publicKey } = root.certificate
    const thumbprint = await calculateJwkThumbprint(await exportJWK(publicKey))
    await expectTaken(await sign({ header: { kid: thumbprint }, key: root.privateKey }))
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const digest = createHash('sha256').update(spki).digest().subarray(0, 30)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
    let text = ''
    for (let bit = 0; bit < 240; bit += 5) {
      let five = 0
      for (let index = bit; index < bit + 5; index++)
        five = five * 2 + ((digest[index >> 3]! >> (7 - (index & 7))) & 1)
      text += alphabet[five]
    }
    const libtrust = text.match(/.{4}/g)!.join(':')
    await expectTaken(await sign({ header: { kid: libtrust }, key: root.privateKey }))
  })

  test('that names its key in full, if the key is known by its name', async () => {
    const jwk = { ...(await exportJWK(signing.publicKey)), kid: 'curve' }
    await expectTaken(await sign({ header: { kid: undefined, jwk } }))
  })

  test('of several audiences, of no name, with a clock that is a little wrong', async () => {
    await expectTaken(await sign({ claims: { aud: ['other', 'registry.example.com'] } }))
    await expectTaken(await sign({ claims: { sub: '' } }))
    await expectTaken(await sign({ claims: { exp: now() - 50, nbf: now() + 50 } }))
  })
})

describe('a token is refused', () => {
  test.each([
    ['another issuer’s', { iss: 'evil.example.com' }],
    ['an issuer’s whose name only begins alike', { iss: 'auth.example.com.evil' }],
    ['for another service', { aud: 'other.example.com' }],
    ['for services of which none is this', { aud: ['a', 'b'] }],
    ['for nobody', { aud: undefined }],
    ['of nobody', { iss: undefined }],
    ['expired for longer than clocks differ', { exp: now() - 61 }],
    ['not good for longer than clocks differ', { nbf: now() + 70 }],
    ['that never expires', { exp: undefined }],
    ['whose expiry is no number', { exp: 'tomorrow' }],
    ['whose access is no list', { access: 'everything' }],
    ['whose access lists no rights', { access: [{ type: 'repository' }] }],
  ])('%s', async (_, claims) => {
    await expectRefused(await sign({ claims }))
  })

  test('without a signature', async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: 'auth.example.com', aud: 'registry.example.com', exp: now() + 60, access: pull }
    for (const alg of ['none', 'None', 'NONE', '', 'HS256', 'ES256']) {
      await expectRefused(`${part({ alg, kid: 'curve' })}.${part(claims)}.`)
      await expectRefused(`${part({ alg, kid: 'curve' })}.${part(claims)}`)
    }
  })

  test('whose algorithm is not one of its key', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' })
    for (const secret of [
      pem,
      root.pem,
      String(pem).trim(),
      rsa.publicKey.export({ type: 'spki', format: 'der' }),
    ]) {
      const key = Buffer.from(secret)
      for (const kid of ['rsa', 'curve', 'secret'])
        await expectRefused(await sign({ header: { alg: 'HS256', kid }, key }))
    }
    await expectRefused(await sign({ header: { alg: 'HS256', kid: 'secret' }, key: Buffer.from('secret') }))
    await expectRefused(await sign({ header: { alg: 'RS256', kid: 'rsa-pinned' }, key: rsa.privateKey }))
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    await expectRefused(await sign({ header: { alg: 'ES384', kid: 'curve' }, key: other.privateKey }))
  })

  test('signed by another key, whatever it says of it', async () => {
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = await exportJWK(foreign.publicKey)
    const self = await makeCertificate({ name: 'CN=issuer', ca: true })
    for (const header of [
      { kid: 'curve' },
      { kid: 'unknown' },
      { kid: '' },
      { kid: undefined },
      { kid: 'curve', jwk },
      { kid: undefined, jwk: { ...jwk, kid: 'curve' } },
      { kid: 'curve', jwk: { ...jwk, kid: 'curve' } },
      { kid: 'curve', x5c: [root.base64] },
      { kid: 'curve', jku: 'https://evil.example.com/keys' },
      { kid: 'curve', x5c: [] },
      { kid: 'curve', x5c: ['AAAA'] },
    ]) {
      await expectRefused(await sign({ header, key: foreign.privateKey }))
    }
    await expectRefused(await sign({ header: { x5c: [self.base64] }, key: self.privateKey }))
    await expectRefused(await sign({ header: { x5c: [self.base64, root.base64] }, key: self.privateKey }))
    const inJwk = { ...(await exportJWK(self.certificate.publicKey)), x5c: [self.base64] }
    await expectRefused(await sign({ header: { kid: 'curve', jwk: inJwk }, key: self.privateKey }))
  })

  test('whose certificate has expired, is not good yet, or was issued by one that may issue none', async () => {
    const day = 24 * 60 * 60 * 1000
    const expired = await makeCertificate({ issuer: root, notAfter: new Date(Date.now() - 1000) })
    const early = await makeCertificate({ issuer: root, notBefore: new Date(Date.now() + day / 2) })
    const plain = await makeCertificate({ name: 'CN=plain', issuer: root })
    const below = await makeCertificate({ issuer: plain })
    for (const [x5c, key] of [
      [[expired.base64], expired.privateKey],
      [[early.base64], early.privateKey],
      [[below.base64, plain.base64], below.privateKey],
      [[below.base64, plain.base64, root.base64], below.privateKey],
    ] as const) {
      await expectRefused(await sign({ header: { kid: undefined, x5c: [...x5c] }, key }))
    }
  })

  test('longer than 8 KiB', async () => {
    await expectRefused(await sign({ claims: { padding: 'x'.repeat(8 * 1024) } }))
    await expectTaken(await sign({ claims: { padding: 'x'.repeat(4 * 1024) } }))
  })

  test.each(['', '.', '..', 'a.b', 'a.b.c', 'a.b.c.d', 'e30.e30.', '{}.{}.{}', 'bnVsbA.bnVsbA.bnVsbA'])(
    'that is none: %j',
    async (token) => {
      const answer = await registry.send('GET /v2/a/tags/list', {
        headers: { authorization: `Bearer ${token}` },
      })
      expect(refusal(answer)).toBe('401 UNAUTHORIZED')
    },
  )

  test('by one whose claims were changed', async () => {
    const [header, , signature] = (await sign()).split('.')
    const claims = { iss: 'auth.example.com', aud: 'registry.example.com', exp: now() + 60, access: [] }
    await expectRefused(`${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`)
  })
})

describe('what a token lists', () => {
  const list = (...actions: string[]) => [{ type: 'repository', name: 'a', actions }]

  test.each([
    [list('pull'), 'GET /v2/a/tags/list', 404],
    [list('push'), 'GET /v2/a/tags/list', 401],
    [list('pull', 'push'), 'POST /v2/a/blobs/uploads/', 202],
    [list('push'), 'POST /v2/a/blobs/uploads/', 401],
    [list('pull'), 'POST /v2/a/blobs/uploads/', 401],
    [list('*'), 'POST /v2/a/blobs/uploads/', 202],
    [list('delete'), 'DELETE /v2/a/manifests/x', 404],
    [list('pull', 'push'), 'DELETE /v2/a/manifests/x', 401],
    [list('*'), 'GET /v2/b/tags/list', 401],
    [[...list('pull'), ...list('push')], 'POST /v2/a/blobs/uploads/', 202],
    [[{ type: 'repository(plugin)', name: 'a', actions: ['pull'] }], 'GET /v2/a/tags/list', 401],
    [[{ type: 'registry', name: 'catalog', actions: ['*'] }], 'GET /v2/_catalog', 200],
    [list('*'), 'GET /v2/_catalog', 401],
    [[], 'GET /v2/', 200],
    [null, 'GET /v2/', 200],
  ])('is what may be done: %j %s', async (access, request, status) => {
    expect((await ask(await sign({ claims: { access } }), request)).status).toBe(status)
  })

  test('is told apart from a token that is no good', async () => {
    const answer = await ask(await sign({ claims: { access: [] } }))
    expect(answer.headers['www-authenticate']).toMatch(
      /,scope="repository:a:pull",error="insufficient_scope"$/,
    )
  })

  test('shows the whole catalog to whom the issuer shows it, as Distribution does', async () => {
    const access = [
      { type: 'repository', name: 'a', actions: ['*'] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
    ]
    const digest = `sha256:${createHash('sha256').update('x').digest('hex')}`
    const pushed = await registry.send(`POST /v2/a/blobs/uploads/?digest=${digest}`, {
      headers: bearer(await sign({ claims: { access } })),
      body: 'x',
    })
    expect(pushed.status).toBe(201)
    const token = await sign({ claims: { access: access.slice(1) } })
    expect(JSON.parse((await ask(token, 'GET /v2/_catalog')).body.toString())).toEqual({
      repositories: ['a'],
    })
  })
})

test('who sends no token is told where to get one, without an error', async () => {
  for (const headers of [
    {},
    { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` },
    { authorization: 'Bearer' },
  ]) {
    const answer = await registry.send('GET /v2/', { headers })
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="https://auth.example.com/token",service="registry.example.com"',
    )
  }
})

test('autoredirect sends clients to where they came from, over TLS', async () => {
  const token = { ...settings, autoredirect: true, autoredirectpath: '/my/token' }
  await using own = await HttpRegistry.start({
    auth: { token, oidc: [], groups: {} },
    settings: { prefix: '/docker' },
  })
  const headers = { host: 'registry.example.com:5443' }
  const answer = await own.send('GET /docker/v2/', { headers })
  expect(answer.headers['www-authenticate']).toBe(
    'Bearer realm="https://registry.example.com:5443/my/token",service="registry.example.com"',
  )
})

test('only the algorithms that are configured are taken', async () => {
  const token = { ...settings, signingalgorithms: ['RS256'] }
  await using own = await HttpRegistry.start({ auth: { token, oidc: [], groups: {} } })
  const statusOf = async (made: string) => (await own.send('GET /v2/', { headers: bearer(made) })).status
  expect(await statusOf(await sign())).toBe(401)
  expect(await statusOf(await sign({ header: { alg: 'RS256', kid: 'rsa' }, key: rsa.privateKey }))).toBe(200)
})

test('keys that are changed count, and the tokens of those that are gone do not', async () => {
  const jwks = join(folder.path, 'changing.json')
  const next = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(signing.publicKey)), kid: 'curve' }] }))
  const token = { ...settings, rootcertbundle: '', jwks }
  await using own = await HttpRegistry.start({ auth: { token, oidc: [], groups: {} } })
  const statusOf = async (made: string) => (await own.send('GET /v2/', { headers: bearer(made) })).status
  const [before, after] = [await sign(), await sign({ key: next.privateKey, header: { kid: 'next' } })]
  expect([await statusOf(before), await statusOf(after)]).toEqual([200, 401])
  await writeFile(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(next.publicKey)), kid: 'next' }] }))
  await expect.poll(() => statusOf(after), { timeout: 10_000, interval: 100 }).toBe(200)
  expect(await statusOf(before)).toBe(401)
})

test('a bundle that is cut off, or has nothing any more, keeps the certificates that it had', async () => {
  const rootcertbundle = join(folder.path, 'changing.pem')
  const other = await makeCertificate({ name: 'CN=other', ca: true })
  const text = `${root.pem.trimEnd()}\n${other.pem}`
  await writeFile(rootcertbundle, text)
  const recorded = await RecordedLog.start()
  const token = { ...settings, jwks: '', rootcertbundle }
  await using own = await HttpRegistry.start({ auth: { token, oidc: [], groups: {} }, log: recorded.log })
  const statuses = async () => {
    const sent = [root, other].map(async ({ base64, privateKey: key }) => {
      const headers = bearer(await sign({ header: { kid: undefined, x5c: [base64] }, key }))
      return (await own.send('GET /v2/', { headers })).status
    })
    return Promise.all(sent)
  }
  expect(await statuses()).toEqual([200, 200])
  for (const [broken, reason] of [
    [text.slice(0, -40), 'it is cut off'],
    ['# nothing\n', 'it has no certificate'],
  ] as const) {
    await writeFile(rootcertbundle, broken)
    expect(await recorded.until(reason)).toContain('its previous content stays in use')
    expect(await statuses()).toEqual([200, 200])
  }
  await writeFile(rootcertbundle, root.pem)
  await recorded.until('reloaded, because it has changed')
  expect(await statuses()).toEqual([200, 401])
})

test.each([
  ['no such file', 'missing.pem', /auth\.token\.rootcertbundle: .*ENOENT/],
  ['a bundle without certificates', 'empty.pem', /neither rootcertbundle nor jwks has a key/],
])('%s keeps the registry from starting', async (_, name, message) => {
  await writeFile(join(folder.path, 'empty.pem'), '# nothing\n')
  const token = { ...settings, jwks: '', rootcertbundle: join(folder.path, name) }
  await expect(HttpRegistry.start({ auth: { token, oidc: [], groups: {} } })).rejects.toThrow(message)
})
