/** Docker's schema 1 as its clients made it, signed with keys of the test's own. Any part can be made wrong. */
import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { digestOf } from '../../src/core/digest.ts'

type Json = Record<string, unknown>

export interface Signer {
  readonly alg: 'ES256' | 'ES384' | 'RS256'
  readonly privateKey: KeyObject
  /** Its public key, as libtrust writes it. */
  readonly jwk: Json
}

export function newSigner(alg: Signer['alg']): Signer {
  const { publicKey, privateKey } =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' })
  return { alg, privateKey, jwk: jwkOf(publicKey) }
}

export function jwkOf(publicKey: KeyObject): Json {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: keyIdOf(publicKey) }
  return Object.fromEntries(Object.entries(jwk).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** The names of layers whose contents are their names. */
export const schema1Layers = ['layer two', 'layer one'] as const

export function schema1Json(parts: Json = {}): Json {
  return {
    schemaVersion: 1,
    name: 'a',
    tag: 'latest',
    architecture: 'amd64',
    fsLayers: schema1Layers.map((name) => ({ blobSum: digestOf(Buffer.from(name)) })),
    history: schema1Layers.map((id, index) => ({
      v1Compatibility: JSON.stringify({
        id,
        ...(index === 0 ? { parent: schema1Layers[1] } : {}),
        os: 'linux',
      }),
    })),
    ...parts,
  }
}

/** The signed and stored payload; docker indented it by three spaces. */
export function schema1Payload(parts: Json = {}, indent: number | string = 3): Buffer {
  return Buffer.from(JSON.stringify(schema1Json(parts), null, indent))
}

export interface SignatureParts {
  /** Replaces the unprotected header. */
  readonly header?: Json
  /** Added to the protected header; `undefined` leaves one out. */
  readonly protected?: Json
  /** The signed bytes, if they are not the payload. */
  readonly signed?: Uint8Array
}

/** A signature as libtrust makes it. */
export function signatureOf(payload: Buffer, signer: Signer, parts: SignatureParts = {}): Json {
  const end = payload.toString('latin1').trimEnd().length - 1
  const length = payload.subarray(0, end).toString('latin1').trimEnd().length
  const protectedHeader = encoded({
    formatLength: length,
    formatTail: payload.subarray(length).toString('base64url'),
    time: '2015-07-01T12:00:00Z',
    ...parts.protected,
  })
  const input = `${protectedHeader}.${Buffer.from(parts.signed ?? payload).toString('base64url')}`
  const key = { key: signer.privateKey, dsaEncoding: 'ieee-p1363' as const }
  const signature = sign(signer.alg === 'ES384' ? 'sha384' : 'sha256', Buffer.from(input), key)
  return {
    header: parts.header ?? { jwk: signer.jwk, alg: signer.alg },
    signature: signature.toString('base64url'),
    protected: protectedHeader,
  }
}

/** The document that carries them, laid out as libtrust does for a payload indented by three spaces. */
export function prettyJws(payload: Buffer, signatures: readonly unknown[]): Buffer {
  const start = payload.toString('latin1').replace(/\s*\}\s*$/, '')
  const list = JSON.stringify(signatures, null, 3).replaceAll('\n', '\n   ')
  return Buffer.from(`${start},\n   "signatures": ${list}\n}`, 'latin1')
}

export function signedSchema1(payload: Buffer, ...signers: readonly Signer[]): Buffer {
  return prettyJws(
    payload,
    signers.map((signer) => signatureOf(payload, signer)),
  )
}

/** The bytes in which Distribution kept a signature in 2015: what Go's `json.Marshal` makes of it. */
export function keptSignature(signature: unknown): Buffer {
  return Buffer.from(JSON.stringify(signature))
}

export function encoded(json: unknown): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}

/** libtrust's fingerprint of a key. */
function keyIdOf(publicKey: KeyObject): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  let number = BigInt(`0x${hash('sha256', publicKey.export({ type: 'spki', format: 'der' })).slice(0, 60)}`)
  let text = ''
  for (let place = 0; place < 48; place++) {
    text = `${letters[Number(number % 32n)]}${text}`
    number /= 32n
  }
  return text.match(/.{4}/g)?.join(':') ?? ''
}
