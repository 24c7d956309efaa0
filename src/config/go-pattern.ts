/** Regular expressions as Go writes them (RE2), compiled for here. What is pushed is matched against them, so they must
 *  not be a way to keep the process busy: V8's linear engine runs every pattern that it can. */

import { setFlagsFromString } from 'node:v8'

/** JavaScript has these; Go has not, and they can't be matched in linear time. */
const LOOKAROUND_OR_BACKREFERENCE = /\(\?<?[=!]|\\[1-9]|\\k</
const TRANSLATED = /\\[\s\S]|\(\?P</g
/** Go's spellings that JavaScript has under another name. */
const SPELLINGS: Record<string, string> = { '\\A': '^', '\\z': '$', '\\-': '\\x2d', '(?P<': '(?<' }
/** Go lets any punctuation be escaped, JavaScript's strict mode only what has a meaning. */
const NEEDLESS_ESCAPE = /^\\[^\w\s^$\\.*+?()[\]{}|/-]$/

/** A pattern, or undefined where it is none or uses what JavaScript does not have.
 *  https://pkg.go.dev/regexp/syntax */
export function compileGoPattern(source: string): RegExp | undefined {
  const [, flags = '', body = ''] = /^(?:\(\?([is]+)\))?([\s\S]*)$/.exec(source)!
  if (LOOKAROUND_OR_BACKREFERENCE.test(body)) return undefined
  const translated = body.replace(
    TRANSLATED,
    (part) => SPELLINGS[part] ?? (NEEDLESS_ESCAPE.test(part) ? part.slice(1) : part),
  )
  const strict = compile(translated, `${[...new Set(flags)].join('')}u`)
  if (!strict || flags !== '' || body.includes('\\p')) return strict
  setFlagsFromString('--enable-experimental-regexp-engine')
  return compile(translated, 'l') ?? strict
}

function compile(source: string, flags: string): RegExp | undefined {
  try {
    return new RegExp(source, flags)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}
