import { createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type CertificateParts, certificateOf } from '../../../../test/support/raw-certificate.ts'
import {
  encoded,
  jwkOf,
  newSigner,
  prettyJws,
  type SignatureParts,
  type Signer,
  schema1Payload,
  signatureOf,
  signedSchema1,
} from '../../../../test/support/schema1.ts'
import { RegistryError } from '../../errors.ts'
import { parseManifest } from '../parse.ts'
import { verifySignatures } from './verify.ts'

const payload = schema1Payload()
const signers = { ES256: newSigner('ES256'), ES384: newSigner('ES384'), RS256: newSigner('RS256') }
const signer = signers.ES256

function verify(...signatures: unknown[]): Promise<void> {
  return verifySignatures(parseManifest(prettyJws(payload, signatures)))
}

const signature = (parts: SignatureParts = {}, by: Signer = signer) => signatureOf(payload, by, parts)

async function expectUnverified(work: Promise<void>, message: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RegistryError)
  expect((error as RegistryError).code).toBe('MANIFEST_UNVERIFIED')
  expect((error as RegistryError).message).toContain(message)
}

describe('a signature is verified', () => {
  it.each(Object.values(signers))('made with $alg', async (one) => {
    await expect(verify(signature({}, one))).resolves.toBeUndefined()
    await expect(
      verify(signature({ header: { jwk: withoutKid(one), alg: one.alg } }, one)),
    ).resolves.toBeUndefined()
  })

  it('and each of several is', async () => {
    const all = Object.values(signers).map((one) => signature({}, one))
    await expect(verify(...all)).resolves.toBeUndefined()
    const forged = signature({ signed: Buffer.from('another payload') })
    for (const list of [
      [...all, forged],
      [forged, ...all],
    ]) {
      await expectUnverified(verify(...list), `signatures[${list.indexOf(forged)}] cannot be verified`)
    }
  })

  it('and without any there is nothing to say', async () => {
    await expect(verifySignatures(parseManifest(payload))).resolves.toBeUndefined()
  })
})

describe('a signature is refused', () => {
  it('of another payload, or with a part of it changed', async () => {
    const good = signature()
    const other = signedSchema1(schema1Payload({ tag: 'v2' }), signer)
    await expectUnverified(verify(signature({ signed: other })), 'verification failed')
    await expectUnverified(
      verify({ ...good, signature: signature().signature, protected: changedTime(good) }),
      '',
    )
    const text = prettyJws(payload, [good]).toString().replace('"latest"', '"latesT"')
    await expectUnverified(verifySignatures(parseManifest(Buffer.from(text))), 'verification failed')
  })

  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const { publicKey: edwards } = generateKeyPairSync('ed25519')
  const { jwk } = signer

  it.each([
    ['alg none', { header: { jwk, alg: 'none' } }, 'alg is none of ES256, ES384, RS256'],
    ['no alg', { header: { jwk } }, 'alg is none of'],
    ['an alg that is not one of the key', { header: { jwk, alg: 'RS256' } }, 'cannot be verified'],
    ['an alg for another curve', { header: { jwk, alg: 'ES384' } }, 'cannot be verified'],
    ['PS256', { header: { jwk: signers.RS256.jwk, alg: 'PS256' } }, 'alg is none of'],
    ['alg none in the protected header too', { protected: { alg: 'none' } }, 'cannot be verified'],
    ['an extension that must be known', { protected: { crit: ['exp'], exp: 1 } }, 'cannot be verified'],
    ['no key', { header: { alg: 'ES256' } }, 'header has neither a jwk nor an x5c'],
    ['another key', { header: { jwk: newSigner('ES256').jwk, alg: 'ES256' } }, 'verification failed'],
    ['a secret as its key', { header: { jwk: { kty: 'oct', k: 'AAAA' }, alg: 'ES256' } }, 'kty is neither'],
    ['a key of another kind', { header: { jwk: edwards.export({ format: 'jwk' }), alg: 'ES256' } }, 'kty is'],
    ['a key of no kind', { header: { jwk: {}, alg: 'ES256' } }, 'kty is neither EC nor RSA'],
    ['half a key', { header: { jwk: { kty: 'EC', crv: 'P-256', x: jwk.x }, alg: 'ES256' } }, 'jwk is no key'],
    ['a point off the curve', { header: { jwk: { ...jwk, y: jwk.x }, alg: 'ES256' } }, 'jwk is no key'],
    ['an unknown curve', { header: { jwk: { ...jwk, crv: 'P-1' }, alg: 'ES256' } }, 'jwk is no key'],
    ['the name of another key', { header: { jwk: { ...jwk, kid: 'AAAA' }, alg: 'ES256' } }, 'kid is not'],
    [
      'a private key',
      { header: { jwk: signer.privateKey.export({ format: 'jwk' }), alg: 'ES256' } },
      'jwk is a private key',
    ],
  ] as [string, SignatureParts, string][])('with %s', async (_, parts, message) => {
    await expectUnverified(verify(signature(parts)), message)
  })

  it('made with a curve or a length that is not taken', async () => {
    const large = { alg: 'ES256', privateKey: p521.privateKey, jwk: jwkOf(p521.publicKey) } as const
    await expectUnverified(verify(signature({}, large)), 'cannot be verified')
    const weak = { alg: 'RS256', privateKey: small.privateKey, jwk: jwkOf(small.publicKey) } as const
    await expectUnverified(verify(signature({}, weak)), '2048 bits')
  })

  it('made with a key that is expensive to verify with', async () => {
    const { jwk: key, privateKey } = signers.RS256
    const long = { kty: 'RSA', n: (key as { n: string }).n, e: Buffer.alloc(200, 1).toString('base64url') }
    await expectUnverified(
      verify(signature({ header: { jwk: long, alg: 'RS256' } }, { alg: 'RS256', privateKey, jwk: key })),
      'of an unsupported kind or length',
    )
  })

  it('made as HS256 with the public key for a secret', async () => {
    const good = signature()
    const secret = createSecretKey(Buffer.from(JSON.stringify(jwk)))
    const input = `${String(good.protected)}.${payload.toString('base64url')}`
    const mac = createHmac('sha256', secret).update(input).digest('base64url')
    await expectUnverified(
      verify({ ...good, header: { jwk, alg: 'HS256' }, signature: mac }),
      'alg is none of',
    )
  })
})

describe('a chain of certificates', () => {
  const root = newSigner('ES256')
  const middle = newSigner('ES256')
  const day = 86_400_000
  const leafOf = (by: Signer, parts: Partial<CertificateParts> = {}) =>
    certificateOf({
      subject: 'leaf',
      issuer: 'middle',
      key: by.privateKey,
      issuerKey: middle.privateKey,
      ...parts,
    })
  const middleOf = (parts: Partial<CertificateParts> = {}) =>
    certificateOf({
      subject: 'middle',
      issuer: 'root',
      key: middle.privateKey,
      issuerKey: root.privateKey,
      isAuthority: true,
      ...parts,
    })
  const rootCertificate = certificateOf({
    subject: 'root',
    issuer: 'root',
    key: root.privateKey,
    issuerKey: root.privateKey,
    isAuthority: true,
  })
  const verifyChain = (chain: readonly (Buffer | string)[], by: Signer = signer) =>
    verify(signature({ header: { alg: by.alg, x5c: chain.map(inBase64) } }, by))

  it.each(Object.values(signers))('leads to a key for $alg', async (by) => {
    await expect(verifyChain([leafOf(by), middleOf(), rootCertificate], by)).resolves.toBeUndefined()
    await expect(verifyChain([leafOf(by)], by)).resolves.toBeUndefined()
  })

  it.each([
    ['the key of another', [leafOf(newSigner('ES256')), middleOf()], 'verification failed'],
    ['a certificate that is none', [leafOf(signer), Buffer.from('x')], 'x5c[1] is no certificate'],
    ['a certificate cut off', [leafOf(signer).subarray(0, 100)], 'x5c[0] is no certificate'],
    ['what is not base64', ['*'], 'x5c[0] is not base64'],
    ['a certificate left out', [leafOf(signer), rootCertificate], 'x5c[0] is not signed by'],
    ['another order', [leafOf(signer), rootCertificate, middleOf()], 'x5c[0] is not signed by'],
    [
      'an issuer of the same name and another key',
      [leafOf(signer, { issuerKey: root.privateKey }), middleOf()],
      'x5c[0] is not signed by',
    ],
    ['an issuer that is no authority', [leafOf(signer), middleOf({ isAuthority: false })], 'x5c[0] is not'],
    ['an expired leaf', [leafOf(signer, { validTo: new Date(Date.now() - 1000) })], 'x5c[0] has expired'],
    [
      'an expired authority',
      [leafOf(signer), middleOf({ validTo: new Date(Date.now() - 1000) })],
      'x5c[1] has expired',
    ],
    [
      'a leaf of tomorrow',
      [leafOf(signer, { validFrom: new Date(Date.now() + day), validTo: new Date(Date.now() + 2 * day) })],
      'x5c[0] is not valid yet',
    ],
    ['eleven certificates', Array.from({ length: 11 }, () => leafOf(signer)), 'more than 10 certificates'],
  ] as [string, (Buffer | string)[], string][])('is refused with %s', async (_, chain, message) => {
    await expectUnverified(verifyChain(chain), message)
  })

  it('is refused beside a jwk, and when it is empty', async () => {
    const x5c = [leafOf(signer).toString('base64')]
    await expectUnverified(verify(signature({ header: { jwk: signer.jwk, alg: 'ES256', x5c } })), 'has both')
    await expectUnverified(verify(signature({ header: { alg: 'ES256', x5c: [] } })), 'has neither')
  })
})

function withoutKid({ jwk: { kid: _, ...jwk } }: Signer) {
  return jwk
}

function changedTime({ protected: header }: Record<string, unknown>): string {
  const json = JSON.parse(Buffer.from(String(header), 'base64url').toString())
  return encoded({ ...json, time: '2016-07-01T12:00:00Z' })
}

function inBase64(part: Buffer | string): string {
  return typeof part === 'string' ? part : part.toString('base64')
}
