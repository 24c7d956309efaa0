/** What is wrong with a configuration, said so that its owner can mend it: where, what was found, what is accepted.
 *  A value is quoted in part only, and never the credentials of a URL. */

/** Something that keeps the registry from starting. */
export interface ConfigProblem {
  /** A key (`http.addr`), a variable (`REGISTRY_HTTP_ADDR`) or a file (`/etc/entrepot/config.yml:3:7`). */
  path: string
  message: string
}

/** Something the registry starts in spite of. */
export interface ConfigWarning {
  path: string
  message: string
}

/** Every problem of one configuration; the message has one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]
  /** The file that was read, if any. */
  readonly source: string | undefined

  constructor(problems: readonly ConfigProblem[], source?: string) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
    this.problems = problems
    this.source = source
  }
}

const MAX_PROBLEMS = 100

/** As many as somebody reads: what is no configuration at all has a problem in every line. */
export function firstOf<Problem>(problems: Iterable<Problem>): Problem[] {
  const first: Problem[] = []
  for (const problem of problems) {
    if (first.length === MAX_PROBLEMS) break
    first.push(problem)
  }
  return first
}

const MAX_QUOTED_LENGTH = 60

/** A value of the tree as a message shows it. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  if (typeof value !== 'string') return String(value)
  const text = value.replace(/\/\/[^/@]*@/, '//…@')
  return JSON.stringify(text.length > MAX_QUOTED_LENGTH ? `${text.slice(0, MAX_QUOTED_LENGTH)}…` : text)
}

/** `found X; accepted: Y`. */
export function mismatch(found: unknown, accepted: string): string {
  return `found ${describe(found)}; accepted: ${accepted}`
}
