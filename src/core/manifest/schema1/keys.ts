/** The public key in a signature's header: as a key (`jwk`) or in a chain of certificates (`x5c`). RFC 7515
 *  sections 4.1.3 and 4.1.6. Clients decide whether they trust the key. */
import { createPublicKey, hash, type KeyObject, type webcrypto, X509Certificate } from 'node:crypto'
import { isAffordableKey } from '../../access/key-limits.ts'
import { RegistryError } from '../../errors.ts'
import type { JsonObject } from '../document.ts'
import { MAX_CERTIFICATES } from '../limits.ts'
import type { SignatureHeader } from './signature.ts'

/** The error for an invalid signature. */
export function unverifiedAt(place: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError('MANIFEST_UNVERIFIED', {
    message: `${place} ${problem}`,
    detail: { place },
    cause,
  })
}

/** Reads the key of a signature.
 *  @param place the header's place in the manifest, for error messages
 *  @throws RegistryError MANIFEST_UNVERIFIED */
export function publicKeyOf({ jwk, x5c = [] }: SignatureHeader, place: string): KeyObject {
  if (jwk !== undefined && x5c.length > 0) throw unverifiedAt(place, 'has both a jwk and an x5c')
  if (jwk !== undefined) return keyFromJwk(jwk, `${place}.jwk`)
  if (x5c.length > 0) return keyFromChain(x5c, `${place}.x5c`)
  throw unverifiedAt(place, 'has neither a jwk nor an x5c')
}

function keyFromJwk(jwk: JsonObject, place: string): KeyObject {
  if (jwk.kty !== 'EC' && jwk.kty !== 'RSA') throw unverifiedAt(`${place}.kty`, 'is neither EC nor RSA')
  if (jwk.d !== undefined) throw unverifiedAt(place, 'is a private key')
  const key = attempt(
    () => createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' }),
    place,
    'is no key',
  )
  if (!isAffordableKey(key)) throw unverifiedAt(place, UNAFFORDABLE)
  if (jwk.kid !== undefined && jwk.kid !== keyIdOf(key)) {
    throw unverifiedAt(`${place}.kid`, 'is not the fingerprint of the key')
  }
  return key
}

const UNAFFORDABLE = 'has a key of an unsupported kind or length'

/** libtrust's key id, which libtrust checks when it reads a key: 240 bits of the key's SHA-256 in base 32, in
 *  groups of four. */
function keyIdOf(key: KeyObject): string {
  const fingerprint = hash('sha256', key.export({ type: 'spki', format: 'der' }), 'buffer').subarray(0, 30)
  let bits = ''
  for (const byte of fingerprint) bits += byte.toString(2).padStart(8, '0')
  const letters = bits.replace(/.{5}/g, (five) => BASE32[Number.parseInt(five, 2)] as string)
  return (letters.match(/.{4}/g) as string[]).join(':')
}

/** RFC 4648 section 6. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** The key of a certificate chain. Each certificate must be valid today and signed by the next, which must be
 *  an authority's. The last is not checked further: the registry has no trusted authorities. */
function keyFromChain(x5c: readonly string[], place: string): KeyObject {
  if (x5c.length > MAX_CERTIFICATES)
    throw unverifiedAt(place, `has more than ${MAX_CERTIFICATES} certificates`)
  const chain = x5c.map((text, index) => certificateFrom(text, `${place}[${index}]`))
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1]
    requireValidNow(certificate, `${place}[${index}]`)
    if (issuer !== undefined && !isIssuedBy(certificate, issuer)) {
      throw unverifiedAt(`${place}[${index}]`, 'is not signed by the authority that follows it')
    }
  }
  return (chain[0] as X509Certificate).publicKey
}

function certificateFrom(text: string, place: string): X509Certificate {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw unverifiedAt(place, 'is not base64')
  const read = () => {
    const certificate = new X509Certificate(Buffer.from(text, 'base64'))
    void certificate.publicKey // read here, because it may be of a kind that is not known
    return certificate
  }
  const certificate = attempt(read, place, 'is no certificate')
  if (!isAffordableKey(certificate.publicKey)) throw unverifiedAt(place, UNAFFORDABLE)
  return certificate
}

function requireValidNow({ validFromDate, validToDate }: X509Certificate, place: string): void {
  const now = new Date()
  if (now < validFromDate) throw unverifiedAt(place, 'is not valid yet')
  if (now > validToDate) throw unverifiedAt(place, 'has expired')
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

/** Maps errors of Node for unreadable keys and certificates, which have no common type. */
function attempt<Result>(read: () => Result, place: string, problem: string): Result {
  try {
    return read()
  } catch (cause) {
    throw unverifiedAt(place, problem, cause)
  }
}
