import { RegistryError } from '../errors.ts'
import { MAX_JSON_DEPTH, MAX_JSON_VALUES } from './limits.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Rejects JSON that would be expensive to parse or to check, in one pass without allocation that ends at the
 *  first excess. Does not validate the rest: malformed JSON is cheaper to parse.
 *  @throws RegistryError MANIFEST_INVALID */
export function requireModestJson(json: Uint8Array): void {
  let depth = 0
  let values = 0
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case QUOTE:
        at = endOfString(json, at + 1)
        break
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
  values: `the manifest has more than ${MAX_JSON_VALUES} elements and members`,
}

function tooMuch(excess: keyof typeof EXCESSES): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message: EXCESSES[excess] })
}

/** Position of the closing quote of a string whose characters begin at `start`; the end of the text if
 *  unclosed. */
function endOfString(json: Uint8Array, start: number): number {
  let at = start
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}
