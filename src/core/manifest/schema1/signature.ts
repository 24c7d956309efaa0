/** One signature of a JWS in JSON (RFC 7515 section 7.2.1), in the form of Docker's libtrust: its header has
 *  the key, and its protected header the layout of the signed payload. */
import { RegistryError } from '../../errors.ts'
import { invalidAt, isAbsent, type JsonObject, parseDocument, requireObject, textIn } from '../document.ts'
import { requireModestJson } from '../json-limits.ts'
import { MAX_SIGNATURE_BYTES } from '../limits.ts'

export interface SignatureHeader {
  readonly jwk?: JsonObject
  readonly alg: string
  readonly x5c?: readonly string[]
}

export interface JwsSignature {
  readonly header: SignatureHeader
  readonly signature: string
  readonly protected: string
}

/** The layout of a payload: the signatures follow its first `length` bytes; `tail` is the rest. */
export interface Format {
  readonly length: number
  readonly tail: Uint8Array
}

/** Parses a signature.
 *  @param place its place in the manifest, for error messages
 *  @throws RegistryError MANIFEST_INVALID */
export function parseSignature(value: unknown, place: string): JwsSignature {
  const object = requireObject(value, place)
  return {
    header: headerOf(requireObject(object.header, `${place}.header`), `${place}.header`),
    signature: base64UrlIn(object, 'signature', place),
    protected: base64UrlIn(object, 'protected', place),
  }
}

/** The bytes to store, as libtrust writes them: equal for equal signatures, however they were indented. */
export function serializeSignature(signature: JwsSignature, place: string): Uint8Array {
  const bytes = Buffer.from(JSON.stringify(signature))
  if (bytes.length <= MAX_SIGNATURE_BYTES) return bytes
  throw invalidAt(place, `has more than ${MAX_SIGNATURE_BYTES} bytes`)
}

/** Parses a stored signature. Undefined if it is malformed. */
export function readSignature(bytes: Uint8Array): JwsSignature | undefined {
  try {
    return parseSignature(parseDocument(bytes), 'the signature')
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

/** The payload's layout in the protected header.
 *  @throws RegistryError MANIFEST_INVALID */
export function formatIn(signature: JwsSignature, place: string): Format {
  const header = protectedHeaderOf(signature, `${place}.protected`)
  const { formatLength, formatTail } = header
  if (typeof formatLength !== 'number' || !Number.isSafeInteger(formatLength) || formatLength < 0) {
    const problem = isAbsent(formatLength) ? 'is missing' : 'is not a number of bytes'
    throw invalidAt(`${place}.protected.formatLength`, problem)
  }
  if (isAbsent(formatTail)) throw invalidAt(`${place}.protected.formatTail`, 'is missing')
  const tail = base64UrlIn(header, 'formatTail', `${place}.protected`)
  return { length: formatLength, tail: Buffer.from(tail, 'base64url') }
}

function protectedHeaderOf(signature: JwsSignature, place: string): JsonObject {
  const json = Buffer.from(signature.protected, 'base64url')
  requireModestJson(json)
  return parseDocument(json, place)
}

function headerOf(header: JsonObject, place: string): SignatureHeader {
  const { jwk, x5c } = header
  return {
    ...(isAbsent(jwk) ? {} : { jwk: sorted(requireObject(jwk, `${place}.jwk`)) }),
    alg: textIn(header, 'alg', `${place}.alg`),
    ...(isAbsent(x5c) ? {} : { x5c: textsIn(x5c, `${place}.x5c`) }),
  }
}

/** The members of a key in Go's order. */
function sorted(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([one], [other]) => (one < other ? -1 : 1)))
}

function textsIn(value: unknown, place: string): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value
  throw invalidAt(place, 'is not an array of strings')
}

/** Text in base64url without padding. RFC 7515 section 2. */
function base64UrlIn(object: JsonObject, field: string, place: string): string {
  const text = textIn(object, field, `${place}.${field}`)
  if (text !== '' && /^[\w-]*$/.test(text) && text.length % 4 !== 1) return text
  throw invalidAt(`${place}.${field}`, text === '' ? 'is missing' : 'is not base64url')
}
