import { type DestinationStream, type Logger, type LoggerOptions, pino, stdSerializers } from 'pino'

export interface LogSettings {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `text` is for people, `json` and `logstash` are for programs. */
  readonly formatter: 'text' | 'json' | 'logstash'
  /** Added to every line. */
  readonly fields: Readonly<Record<string, unknown>>
  /** For people at a terminal. Default: no. */
  readonly colors?: boolean
}

export async function createLogger(settings: LogSettings, destination: DestinationStream): Promise<Logger> {
  const { level, formatter, fields } = settings
  const options: LoggerOptions = {
    level,
    base: fields,
    serializers: { err: stdSerializers.errWithCause },
    ...(formatter === 'logstash' ? logstash : {}),
  }
  return pino(options, formatter === 'text' ? await forPeople(settings, destination) : destination)
}

/** The event format of Logstash, version 1. */
const logstash: LoggerOptions = {
  messageKey: 'message',
  timestamp: () => `,"@version":"1","@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
}

/** Formats each line at once: the stream that pino-pretty has for it would keep lines without a limit. */
async function forPeople(
  { colors = false }: LogSettings,
  destination: DestinationStream,
): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    singleLine: true,
    colorize: colors,
    translateTime: 'SYS:HH:MM:ss.l',
  })
  return { write: (line) => destination.write(pretty(line) ?? '') }
}
