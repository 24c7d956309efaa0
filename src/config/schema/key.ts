/** Building blocks of the schema. A key is a zod schema whose issue states the accepted values. YAML's null,
 *  an empty text and an absent key all mean the key's default. */

import * as z from 'zod'
import { type CronTime, parseCron } from '../../lib/cron.ts'
import { isNetwork } from '../../lib/networks.ts'
import { parseDuration, parseSize } from '../units.ts'

/** A scalar key, to be completed with its default. */
export interface Scalar<T> {
  optional(): z.ZodType<T | undefined>
  or(fallback: T): z.ZodType<T>
  required(): z.ZodType<T>
}

/** A scalar that `read` parses; undefined from `read` rejects it. */
export function scalar<T>(
  accepted: string,
  read: (found: string | number | boolean) => T | undefined,
): Scalar<T> {
  const build = <U>(fallback: U | undefined, isRequired: boolean) =>
    z.transform((found, context): T | U => {
      if (isAbsent(found) && !isRequired) return fallback as U
      const value = isScalar(found) ? read(found) : undefined
      if (value !== undefined) return value
      context.issues.push({ code: 'custom', message: accepted, input: found })
      return z.NEVER
    }) as z.ZodType<T | U>
  return {
    optional: () => build<undefined>(undefined, false),
    or: (fallback) => build<T>(fallback, false),
    required: () => build<T>(undefined, true),
  }
}

/** Distribution's files and templates write `""` for unset keys. */
function isAbsent(found: unknown): boolean {
  return found === undefined || found === null || found === ''
}

function isScalar(found: unknown): found is string | number | boolean {
  return typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean'
}

/** Text. A plain number or boolean counts as its text: a password of digits needs no quotes. */
export function text(accepted = 'text'): Scalar<string> {
  return scalar(accepted, (found) => String(found))
}

/** Text that is not empty. */
export function filledText(accepted = 'text that is not empty'): Scalar<string> {
  return scalar(accepted, (found) => String(found) || undefined)
}

const FLAGS = new Map([
  ...['true', 'yes', 'on', 'y'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', 'n'].map((word) => [word, false] as const),
])

/** A boolean in YAML 1.1's notation, which Go's parser accepts. Undefined if malformed. Quoted booleans,
 *  which arrive as text, are rejected: Distribution fails to start with them, or reads the opposite. */
export function readFlag(found: unknown): boolean | undefined {
  if (found === 'true' || found === 'false') return undefined
  return typeof found === 'string'
    ? FLAGS.get(found.toLowerCase())
    : typeof found === 'boolean'
      ? found
      : undefined
}

export function flag(): Scalar<boolean> {
  return scalar('true or false, without quotation marks', readFlag)
}

/** A whole number between `min` and `max`, both included. */
export function integer({
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
} = {}): Scalar<number> {
  const from = min === Number.MIN_SAFE_INTEGER ? '' : ` from ${min}`
  const to = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`
  return scalar(`a whole number${from}${to}`, (found) => {
    const value = readInteger(found)
    return value !== undefined && value >= min && value <= max ? value : undefined
  })
}

/** A whole number in YAML 1.1's notation. Undefined if malformed. */
export function readInteger(found: unknown): number | undefined {
  if (typeof found === 'boolean' || !/^[-+]?\d[\d_]*$/.test(String(found))) return undefined
  return Number(String(found).replaceAll('_', ''))
}

/** A duration, in milliseconds. Negative values are meaningful to some clients only (`signed`). */
export function duration({ signed = false, min = 0, minText = '' } = {}): Scalar<number> {
  return scalar(`a duration such as 168h, 1m30s or 100ms${minText}`, (found) => {
    const milliseconds = parseDuration(found)
    return milliseconds !== undefined && (signed || milliseconds >= min) ? milliseconds : undefined
  })
}

const NEVER = 'never'

/** Five fields of cron, or `never`. */
export function cronLine(): Scalar<string> {
  return scalar('five fields of cron such as "0 3 * * *", or never', (found) =>
    found === NEVER || parseCron(String(found)) !== undefined ? String(found) : undefined,
  )
}

/** The times of a cron line. Undefined for `never`. */
export function readCron(line: string): CronTime | undefined {
  return line === NEVER ? undefined : parseCron(line)
}

/** A size, in bytes. */
export function size({ min = 0, minText = '' } = {}): Scalar<number> {
  return scalar(`a size in bytes or with a unit, such as 10MiB${minText}`, (found) => {
    const bytes = parseSize(found)
    return bytes !== undefined && bytes >= min ? bytes : undefined
  })
}

/** One of several words, case-insensitive. */
export function choice<const T extends string>(...words: readonly T[]): Scalar<T> {
  return scalar(words.join(', '), (found) => words.find((word) => word === String(found).toLowerCase()))
}

/** An IP address or CIDR range, as text. */
export function network(): Scalar<string> {
  return scalar('an IP address or a CIDR range such as 10.0.0.0/8', (found) =>
    isNetwork(String(found)) ? String(found) : undefined,
  )
}

/** An absolute http(s) URL, kept as written. */
export function url(): Scalar<string> {
  return scalar('a URL such as https://example.com', (found) =>
    URL.canParse(String(found)) && /^https?:$/.test(new URL(String(found)).protocol)
      ? String(found)
      : undefined,
  )
}

/** A map of known keys; absent, the map of their defaults. */
export function section<S extends z.core.$ZodLooseShape>(shape: S) {
  return sectionOf(z.strictObject(shape))
}

/** A map of known keys whose presence enables something; undefined if absent. */
export function optionalSection<S extends z.core.$ZodLooseShape>(shape: S) {
  return optionalSectionOf(z.strictObject(shape))
}

/** Like `optionalSection`, over a schema with checks of its own. */
export function optionalSectionOf<T extends z.ZodType>(map: T) {
  return z.preprocess((found) => (found === null ? {} : found), map.optional())
}

/** Like `section`, over a schema with checks of its own. */
export function sectionOf<T extends z.ZodType>(map: T) {
  return z.preprocess((found) => found ?? {}, map)
}

/** A list; absent, it is empty. */
export function list<T extends z.ZodType>(item: T) {
  return z.preprocess((found) => found ?? [], z.array(item))
}

/** A map of free keys; absent, it is empty. */
export function table<T extends z.ZodType>(value: T) {
  return z.preprocess((found) => found ?? {}, z.record(z.string(), value))
}

/** Any value. */
export function anything() {
  return z.unknown()
}
