import { createHash, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'

/** A key that may sign tokens. */
export interface TrustedKey {
  readonly key: KeyObject
  /** The algorithm that the key set states for it, if any. */
  readonly algorithm: string | undefined
}

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const BY_CURVE: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
}
const MIN_RSA_BITS = 2048

/** The algorithms that signatures by the key may have; never those of another kind of key. */
export function algorithmsOf({ key, algorithm }: TrustedKey): readonly string[] {
  const possible = possibleAlgorithms(key)
  return algorithm === undefined ? possible : possible.filter((one) => one === algorithm)
}

function possibleAlgorithms({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  switch (asymmetricKeyType) {
    case 'rsa':
      return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS ? RSA : []
    case 'ec': {
      const algorithm = BY_CURVE[asymmetricKeyDetails?.namedCurve ?? '']
      return algorithm === undefined ? [] : [algorithm]
    }
    case 'ed25519':
      return ['EdDSA', 'Ed25519']
    default:
      return []
  }
}

/** The names of a key in a token's `kid`: its RFC 7638 thumbprint, as in Distribution 3, and libtrust's key
 *  id, as in Distribution 2. */
export function idsOf(key: KeyObject): string[] {
  return [thumbprint(key), libtrustId(key)]
}

function thumbprint(key: KeyObject): string {
  const { kty, crv, e, n, x, y } = key.export({ format: 'jwk' })
  const members = { crv, e, kty, n, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const LIBTRUST_BYTES = 30

/** libtrust's key id: 240 bits of a digest of the key, in groups of four characters. */
function libtrustId(key: KeyObject): string {
  const digest = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
  const bits = [...digest.subarray(0, LIBTRUST_BYTES)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const characters = bits.match(/.{5}/g)!.map((five) => BASE32[Number.parseInt(five, 2)])
  return characters.join('').match(/.{4}/g)!.join(':')
}

/** The public keys of a JSON Web Key Set by `kid`, RFC 7517. Keys that can't verify signatures are omitted.
 *  @throws Error if it is malformed */
export function parseKeySet(text: string): Map<string, TrustedKey> {
  const { keys } = JSON.parse(text) as { keys?: unknown }
  if (!Array.isArray(keys)) throw new Error('no key set: it has no list "keys"')
  const trusted = new Map<string, TrustedKey>()
  for (const jwk of keys as (webcrypto.JsonWebKey & { kid?: unknown; alg?: unknown })[]) {
    if (typeof jwk.kid !== 'string' || jwk.kid === '' || jwk.kty === 'oct') continue
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    trusted.set(jwk.kid, { key, algorithm: typeof jwk.alg === 'string' ? jwk.alg : undefined })
  }
  return trusted
}
