/** Regular expressions as Go writes them (RE2), compiled for here. */

const TRANSLATED = /\\[\s\S]|\(\?P</g
/** Go's spellings that JavaScript has under another name. */
const SPELLINGS: Record<string, string> = { '\\A': '^', '\\z': '$', '\\-': '\\x2d', '(?P<': '(?<' }
/** Go lets any punctuation be escaped, JavaScript's strict mode only what has a meaning. */
const NEEDLESS_ESCAPE = /^\\[^A-Za-z0-9\s^$\\.*+?()[\]{}|/-]$/

/** A pattern, or undefined where it is none or uses what JavaScript does not have.
 *  https://pkg.go.dev/regexp/syntax */
export function compileGoPattern(source: string): RegExp | undefined {
  const [, flags = '', body = ''] = /^(?:\(\?([is]+)\))?([\s\S]*)$/.exec(source)!
  const translated = body.replace(
    TRANSLATED,
    (part) => SPELLINGS[part] ?? (NEEDLESS_ESCAPE.test(part) ? part.slice(1) : part),
  )
  try {
    return new RegExp(translated, `${[...new Set(flags)].join('')}u`)
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}
