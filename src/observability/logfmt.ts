import { stdSerializers } from 'pino'
import type { Log } from '../core/log.ts'

/** From the least to the most severe. */
const LEVELS = ['debug', 'info', 'warn', 'error'] as const

type Level = (typeof LEVELS)[number]

export interface LogfmtSettings {
  readonly level: Level
  /** Fields of every line. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger in logfmt, as logrus formats it in Distribution: `time="…" level=info msg="…" key=value …`. */
export class LogfmtLogger implements Log {
  readonly #least: number
  readonly #fields: string
  readonly #destination: { write(line: string): unknown }
  readonly #clock = new Clock()

  constructor({ level, fields }: LogfmtSettings, destination: { write(line: string): unknown }) {
    this.#least = LEVELS.indexOf(level)
    this.#fields = logfmtFields(
      Object.fromEntries(
        Object.entries(fields).map(([key, value]) => [key.replace(NOT_IN_KEYS, '_'), value]),
      ),
    )
    this.#destination = destination
  }

  isLevelEnabled(level: Level): boolean {
    return LEVELS.indexOf(level) >= this.#least
  }

  debug(fields: object, message: string): void {
    if (this.#least === 0) this.#write('debug', fields, message)
  }

  info(fields: object, message: string): void {
    if (this.#least <= 1) this.#write('info', fields, message)
  }

  warn(fields: object, message: string): void {
    if (this.#least <= 2) this.#write('warning', fields, message)
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message)
  }

  #write(level: string, fields: object, message: string): void {
    const start = `time="${this.#clock.now()}" level=${level} msg=${quoted(message)}`
    this.#destination.write(`${start}${this.#fields}${logfmtFields(fields)}\n`)
  }
}

const NOT_IN_KEYS = /[^A-Za-z0-9\-._/@]/g

/** The fields, each with a leading space. Undefined values are omitted; objects are written as JSON. */
function logfmtFields(fields: object): string {
  let text = ''
  for (const key in fields) {
    const value = (fields as Record<string, unknown>)[key]
    if (value !== undefined) text += field(key, value)
  }
  return text
}

function field(key: string, value: unknown): string {
  switch (typeof value) {
    case 'string':
      return ` ${key}=${quoted(value)}`
    case 'number':
    case 'boolean':
      return ` ${key}=${value}`
    default:
      return value instanceof Error ? errorFields(key, value) : ` ${key}=${quoted(json(value))}`
  }
}

/** The messages and stacks of an error and its causes. */
function errorFields(key: string, error: Error): string {
  const { message, stack } = stdSerializers.err(error)
  return ` ${key}=${quoted(message)} ${key}.stack=${quoted(stack)}`
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch (error) {
    // A circular structure, or a bigint.
    if (error instanceof TypeError) return String(value)
    throw error
  }
}

/** A value in logrus's form: quoted unless it consists of safe characters. The escapes are JSON's, which Go
 *  reads too. Control characters and changes of text direction are escaped. */
function quoted(text: string): string {
  if (PLAIN.test(text)) return text
  if (LITERAL.test(text)) return `"${text}"`
  const literal = JSON.stringify(text)
  return CONTROL.test(literal) ? literal.replace(new RegExp(CONTROL, 'g'), escaped) : literal
}

const PLAIN = /^[A-Za-z0-9\-._/@^+]*$/

/** Printable ASCII without a quote or a backslash: nothing to escape. */
const LITERAL = /^[ !#-[\]-~]*$/

const CONTROL = /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The time in UTC, RFC 3339. Formatted once a millisecond. */
class Clock {
  #milliseconds = 0
  #text = ''

  now(): string {
    const milliseconds = Date.now()
    if (milliseconds !== this.#milliseconds) {
      this.#milliseconds = milliseconds
      this.#text = new Date(milliseconds).toISOString()
    }
    return this.#text
  }
}
