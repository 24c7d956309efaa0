/** Docker's "pretty" JWS (libtrust, `jsonsign.go`): a JSON document that contains its own signatures. Signed
 *  is the payload, the document without them. Each signature states how many bytes of the document the
 *  payload begins with, and its last bytes. So the payload can be stored alone, and the document rebuilt. */
import { isDeepStrictEqual } from 'node:util'
import { RegistryError } from '../../errors.ts'
import { invalidAt, type JsonObject, listIn, parseDocument } from '../document.ts'
import { MAX_SIGNATURES } from '../limits.ts'
import {
  type Format,
  formatIn,
  type JwsSignature,
  parseSignature,
  readSignature,
  serializeSignature,
} from './signature.ts'

export interface SignedPayload {
  readonly payload: Uint8Array
  /** The parsed payload. */
  readonly document: JsonObject
  /** Unverified signatures, each as JSON, without duplicates. */
  readonly signatures: readonly Uint8Array[]
}

/** Splits a document into payload and signatures. It may contain nothing unsigned.
 *  @param document the parsed `content`
 *  @throws RegistryError MANIFEST_INVALID; MANIFEST_UNVERIFIED if the list of signatures is empty */
export function splitPrettyJws(content: Uint8Array, document: JsonObject): SignedPayload {
  const { signatures: _, ...unsigned } = document
  const signatures = signaturesIn(document)
  const payload = payloadOf(content, signatures)
  const signed = parseDocument(payload, 'the signed payload')
  if (!isDeepStrictEqual(signed, unsigned)) {
    throw new RegistryError('MANIFEST_INVALID', { message: 'the manifest is not the signed one' })
  }
  const kept = signatures.map((signature, index) => serializeSignature(signature, placeOf(index)))
  return { payload, document: signed, signatures: withoutRepetitions(kept) }
}

/** Rebuilds the document as libtrust writes it, with the signatures that were made of this layout.
 *  @returns undefined if there are none */
export function joinPrettyJws(
  payload: Uint8Array,
  signatures: readonly Uint8Array[],
): Uint8Array | undefined {
  const format = layoutOf(payload)
  if (format === undefined) return undefined
  const fitting = signatures.map(readSignature).filter((signature) => isOf(format, signature))
  if (fitting.length === 0) return undefined
  const indent = indentOf(payload)
  const json = JSON.stringify(fitting.sort(byKey), null, indent).replaceAll('\n', `\n${indent}`)
  const end = indent === '' ? `,"signatures":${json}}` : `,\n${indent}"signatures": ${json}\n}`
  return Buffer.concat([payload.subarray(0, format.length), Buffer.from(end)])
}

function signaturesIn(document: JsonObject): JwsSignature[] {
  const list = listIn(document, 'signatures', { optional: false })
  if (list.length === 0)
    throw new RegistryError('MANIFEST_UNVERIFIED', { message: 'the manifest has no signatures' })
  if (list.length > MAX_SIGNATURES) throw invalidAt('signatures', `are more than ${MAX_SIGNATURES}`)
  return list.map((value, index) => parseSignature(value, placeOf(index)))
}

/** The payload. No deeper and no larger than `content`, whose limits were checked: it adds only white space
 *  and a brace. */
function payloadOf(content: Uint8Array, signatures: readonly JwsSignature[]): Uint8Array {
  const formats = signatures.map((signature, index) => formatIn(signature, placeOf(index)))
  const [first] = formats as [Format]
  if (first.length > content.length) {
    throw invalidAt(`${placeOf(0)}.protected.formatLength`, 'lies beyond the end of the manifest')
  }
  const payload = Buffer.concat([content.subarray(0, first.length), first.tail])
  const layout = layoutOf(payload)
  for (const [index, format] of formats.entries()) {
    if (layout === undefined || !isSame(format, layout)) {
      throw invalidAt(`${placeOf(index)}.protected`, 'does not split the manifest before its last brace')
    }
  }
  return payload
}

/** The layout of a payload. libtrust splits it before its last brace and the white space on both sides of
 *  it. */
function layoutOf(payload: Uint8Array): Format | undefined {
  const brace = lastByte(payload, payload.length)
  if (payload[brace] !== CLOSE_BRACE) return undefined
  const length = lastByte(payload, brace) + 1
  return { length, tail: payload.subarray(length) }
}

/** Position of the last byte before `end` that is not JSON's white space. */
function lastByte(json: Uint8Array, end: number): number {
  let at = end - 1
  while (at >= 0 && WHITE_SPACE.includes(json[at] as number)) at--
  return at
}

const CLOSE_BRACE = 0x7d
const WHITE_SPACE = [...Buffer.from(' \t\r\n')]

function isOf(format: Format, signature: JwsSignature | undefined): signature is JwsSignature {
  if (signature === undefined) return false
  try {
    return isSame(formatIn(signature, 'the signature'), format)
  } catch (error) {
    if (error instanceof RegistryError) return false
    throw error
  }
}

function isSame(one: Format, other: Format): boolean {
  return one.length === other.length && Buffer.compare(one.tail, other.tail) === 0
}

/** The indentation of the first member, if it has a line of its own. */
function indentOf(payload: Uint8Array): string {
  return /^\{\n([ \t]{1,10})"/.exec(Buffer.from(payload.subarray(0, 16)).toString('latin1'))?.[1] ?? ''
}

function byKey(one: JwsSignature, other: JwsSignature): number {
  const [first, second] = [one, other].map(({ header, signature }) => `${header.jwk?.kid ?? ''} ${signature}`)
  return (first as string) < (second as string) ? -1 : 1
}

function withoutRepetitions(signatures: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(signatures.map((bytes) => [Buffer.from(bytes).toString(), bytes])).values()]
}

function placeOf(index: number): string {
  return `signatures[${index}]`
}
