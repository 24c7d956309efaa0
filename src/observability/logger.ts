import { type DestinationStream, type LoggerOptions, pino, stdSerializers } from 'pino'
import type { Log } from '../core/log.ts'
import { LogfmtLogger } from './logfmt.ts'

export interface LogSettings {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** Distribution's formats, with its keys. */
  readonly formatter: 'text' | 'json' | 'logstash'
  /** Fields of every line. */
  readonly fields: Readonly<Record<string, unknown>>
  /** True if text is formatted for people, in colours. Default: false. */
  readonly isTerminal?: boolean
}

export interface Logger extends Log {
  isLevelEnabled(level: LogSettings['level']): boolean
}

export async function createLogger(settings: LogSettings, destination: DestinationStream): Promise<Logger> {
  const { level, formatter, fields, isTerminal = false } = settings
  if (formatter === 'text' && !isTerminal) return new LogfmtLogger({ level, fields }, destination)
  const options = { level, base: fields, serializers: { err: stdSerializers.errWithCause } }
  if (formatter === 'text') return pino<never>(options, await forPeople(destination))
  const format = formatter === 'json' ? json : logstash
  return pino<never>({ ...options, ...format }, destination)
}

/** The JSON format of logrus in Distribution. */
const json: LoggerOptions = {
  timestamp: pino.stdTimeFunctions.isoTime,
  formatters: { level: (label) => ({ level: logrusLevel(label) }) },
}

/** The event format of Logstash, version 1. */
const logstash: LoggerOptions = {
  messageKey: 'message',
  timestamp: () => `,"@version":"1","@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: logrusLevel(label) }) },
}

function logrusLevel(label: string): string {
  return label === 'warn' ? 'warning' : label
}

/** Formats each line synchronously: pino-pretty's stream would buffer lines without limit. */
async function forPeople(destination: DestinationStream): Promise<DestinationStream> {
  const { prettyFactory } = (await import('pino-pretty')).default
  const pretty = prettyFactory({ singleLine: true, colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
  return { write: (line) => destination.write(pretty(line) ?? '') }
}
