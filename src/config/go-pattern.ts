/** Compiles regular expressions in Go's syntax (RE2). */

const TRANSLATED = /\\[\s\S]|\(\?P</g
/** Syntax of Go that JavaScript spells differently. */
const SPELLINGS: Record<string, string> = { '\\A': '^', '\\z': '$', '\\-': '\\x2d', '(?P<': '(?<' }
/** Go allows escaping any punctuation, JavaScript's strict mode only characters with a meaning. */
const NEEDLESS_ESCAPE = /^\\[^A-Za-z0-9\s^$\\.*+?()[\]{}|/-]$/

/** Compiles a pattern. Undefined if it is malformed or uses syntax that JavaScript lacks.
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
