import { RegistryError } from '../errors.ts'
import { MAX_DESCRIPTORS, MAX_JSON_DEPTH, MAX_JSON_VALUES } from './limits.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const SPACE = 0x20

const DIGEST_KEY = [...Buffer.from('digest')]
/** Every letter of the key written as `\u0064`. */
const LONGEST_DIGEST_KEY = DIGEST_KEY.length * 6

/** Refuses JSON that would be expensive to parse or to check, in one pass over its bytes that allocates nothing and
 *  ends at the first excess. It does not say that the rest is JSON: whatever is no JSON costs a parser less.
 *  @throws RegistryError MANIFEST_INVALID */
export function requireModestJson(json: Uint8Array): void {
  let depth = 0
  let values = 0
  let descriptors = 0
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case QUOTE: {
        const end = endOfString(json, at + 1)
        if (isDigestKey(json, at + 1, end) && ++descriptors > MAX_DESCRIPTORS) throw tooMuch('descriptors')
        at = end
        break
      }
      case OPEN_BRACKET:
      case OPEN_BRACE:
        if (++depth > MAX_JSON_DEPTH) throw tooMuch('depth')
        if (++values > MAX_JSON_VALUES) throw tooMuch('values')
        break
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        depth--
        break
      case COMMA:
        if (++values > MAX_JSON_VALUES) throw tooMuch('values')
    }
  }
}

const EXCESSES = {
  depth: `the manifest is nested more than ${MAX_JSON_DEPTH} levels deep`,
  descriptors: `the manifest has more than ${MAX_DESCRIPTORS} descriptors`,
  values: `the manifest has more than ${MAX_JSON_VALUES} elements and members`,
}

function tooMuch(excess: keyof typeof EXCESSES): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message: EXCESSES[excess] })
}

/** Where the closing quote of a string stands whose characters begin at `start`; the end of the text without one. */
function endOfString(json: Uint8Array, start: number): number {
  let at = start
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}

/** A key with escapes that might spell `digest` counts as if it did. */
function isDigestKey(json: Uint8Array, start: number, end: number): boolean {
  const length = end - start
  if (length < DIGEST_KEY.length || length > LONGEST_DIGEST_KEY) return false
  const named =
    length === DIGEST_KEY.length
      ? DIGEST_KEY.every((byte, index) => json[start + index] === byte)
      : json.subarray(start, end).includes(BACKSLASH)
  return named && isFollowedByColon(json, end + 1)
}

function isFollowedByColon(json: Uint8Array, start: number): boolean {
  let at = start
  while (at < json.length && (json[at] as number) <= SPACE) at++
  return json[at] === COLON
}
