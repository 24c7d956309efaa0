/** The challenges of `WWW-Authenticate`. RFC 9110 section 11.6.1, RFC 6750 section 3. */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
const PARAMETER = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))/y
const SEPARATOR = /[ \t,]*/y

/** Reads every challenge of a header, or of several that were joined by commas. What can't be read ends the
 *  list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  for (let at = 0; at < header.length; ) {
    at = endOf(SEPARATOR, header, at) ?? at
    const schemeEnd = endOf(TOKEN, header, at)
    if (schemeEnd === undefined) break
    const scheme = header.slice(at, schemeEnd).toLowerCase()
    const parameters = new Map<string, string>()
    at = schemeEnd
    for (;;) {
      const next = endOf(SEPARATOR, header, at) ?? at
      PARAMETER.lastIndex = next
      const match = PARAMETER.exec(header)
      if (match === null) break
      const [, name = '', quoted, plain = ''] = match
      parameters.set(name.toLowerCase(), quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1'))
      at = PARAMETER.lastIndex
    }
    challenges.push({ scheme, parameters })
  }
  return challenges
}

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : undefined
}
