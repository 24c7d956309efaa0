/** Figures and times as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes in decimal units, with three digits at most. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

const count = new Intl.NumberFormat('en')

export function formatCount(value: number): string {
  return count.format(value)
}

/** `1 tag`, `2 tags`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${value === 1 ? one : many}`
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
]

/** `3 days ago`. */
export function formatAgo(time: number, now = Date.now()): string {
  const seconds = (time - now) / 1000
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit)
  }
  return 'just now'
}

const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'medium' })

export function formatTime(time: number): string {
  return full.format(time)
}

/** The milliseconds of a time in JSON; undefined if it is none, or Go's zero time. */
export function parseTime(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) || time <= 0 ? undefined : time
}

/** The first characters of a digest, enough to tell digests apart: `sha256:0123456789ab`. */
export function shortDigest(digest: string): string {
  const colon = digest.indexOf(':')
  return digest.slice(0, colon + 13)
}
