/** The JSON of a manifest and its fields, each read with its place for error messages. A field that is `null`
 *  counts as absent: encoders in Go write empty lists so. */
import { RegistryError } from '../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** Keeps a byte order mark in the text, so that the parser rejects it. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The error for a field. Its place is written as in JavaScript: `layers[3].digest`. */
export function invalidAt(place: string, problem: string, cause?: unknown): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message: `${place} ${problem}`, detail: { place }, cause })
}

/** Parses the JSON of a manifest.
 *  @param place the name of the document, for error messages
 *  @throws RegistryError MANIFEST_INVALID if the bytes are not UTF-8, not JSON, or not an object */
export function parseDocument(payload: Uint8Array, place = 'the manifest'): JsonObject {
  return requireObject(parseJson(decode(payload, place), place), place)
}

function decode(payload: Uint8Array, place: string): string {
  try {
    return utf8.decode(payload)
  } catch (cause) {
    throw new RegistryError('MANIFEST_INVALID', { message: `${place} is not UTF-8`, cause })
  }
}

function parseJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const problem = cause instanceof SyntaxError ? `: ${cause.message}` : ''
    throw new RegistryError('MANIFEST_INVALID', { message: `${place} is not JSON${problem}`, cause })
  }
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

export function requireObject(value: unknown, place: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw invalidAt(place, value === undefined ? 'is missing' : 'is not an object')
}

/** The list in a field. `null` is an empty list; an absent field is one only if `optional`. */
export function listIn(document: JsonObject, field: string, { optional }: { optional: boolean }): unknown[] {
  const value = document[field]
  if (Array.isArray(value)) return value
  if (value === null || (value === undefined && optional)) return []
  throw invalidAt(field, value === undefined ? 'is missing' : 'is not an array')
}

/** The text in a field; empty if the field is absent. */
export function textIn(object: JsonObject, field: string, place: string): string {
  const value = object[field]
  if (isAbsent(value)) return ''
  if (typeof value === 'string') return value
  throw invalidAt(place, 'is not a string')
}
