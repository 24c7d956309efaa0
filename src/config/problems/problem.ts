/** Problems of a configuration, worded for the operator: the place, the value found, the accepted values.
 *  Values are abbreviated, and credentials in URLs are never quoted. */

/** A problem that prevents the start. */
export interface ConfigProblem {
  /** A key (`http.addr`), a variable (`REGISTRY_HTTP_ADDR`) or a file (`/etc/entrepot/config.yml:3:7`). */
  path: string
  message: string
}

/** A problem that does not prevent the start. */
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

/** A limited number of problems: a file of another kind has one in every line. */
export function firstOf<Problem>(problems: Iterable<Problem>): Problem[] {
  const first: Problem[] = []
  for (const problem of problems) {
    if (first.length === MAX_PROBLEMS) break
    first.push(problem)
  }
  return first
}

const MAX_QUOTED_LENGTH = 60

/** A value of the tree, for messages. */
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
