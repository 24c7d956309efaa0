/** Durations and sizes in the configuration. */

const NANOSECONDS_PER_MILLISECOND = 1e6

const MILLISECONDS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const DURATION_PATTERN = /^([-+]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+|0)$/
const DURATION_PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g

/** Parses a duration in Go's notation (`168h`, `1m30s`, `-1ms`) to milliseconds. A plain number is
 *  nanoseconds, as in Go. Undefined if malformed. https://pkg.go.dev/time#ParseDuration */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return value / NANOSECONDS_PER_MILLISECOND
  const match = typeof value === 'string' ? DURATION_PATTERN.exec(value) : null
  if (!match) return undefined
  let milliseconds = 0
  for (const [, amount, unit] of match[2]!.matchAll(DURATION_PART))
    milliseconds += Number(amount) * MILLISECONDS[unit!]!
  return match[1] === '-' ? -milliseconds : milliseconds
}

const SIZE_PATTERN = /^(\d+(?:\.\d+)?) ?(?:([kmgt])(i?))?b?$/i
const POWER: Record<string, number> = { k: 1, m: 2, g: 3, t: 4 }

/** Parses a size to bytes: a number, or a number with a unit; `10MiB` is binary, `10MB` decimal. Undefined if
 *  malformed, or not a whole number of bytes that a number represents exactly. */
export function parseSize(value: unknown): number | undefined {
  const match = SIZE_PATTERN.exec(String(value))
  if (!match) return undefined
  const [, amount, prefix, binary] = match
  const bytes = Number(amount) * (prefix ? (binary ? 1024 : 1000) ** POWER[prefix.toLowerCase()]! : 1)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}
