import { type DestinationStream, type Logger, type LoggerOptions, pino, stdSerializers } from 'pino'

export interface LogSettings {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** `text` is for people, `json` and `logstash` are for programs. */
  readonly formatter: 'text' | 'json' | 'logstash'
  /** Added to every line. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** The process's logger, on standard output unless another destination is given. */
export async function createLogger(settings: LogSettings, destination?: DestinationStream): Promise<Logger> {
  const { level, formatter, fields } = settings
  const options: LoggerOptions = {
    level,
    base: fields,
    serializers: { err: stdSerializers.errWithCause },
    ...(formatter === 'logstash' ? logstash : {}),
  }
  return pino(
    options,
    formatter === 'text' ? await prettyStream(destination) : (destination ?? pino.destination(1)),
  )
}

/** The event format of Logstash, version 1. */
const logstash: LoggerOptions = {
  messageKey: 'message',
  timestamp: () => `,"@version":"1","@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
}

async function prettyStream(destination: DestinationStream | undefined): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    destination: destination ?? 1,
    sync: true,
    singleLine: true,
    colorize: destination === undefined && process.stdout.isTTY === true,
    translateTime: 'SYS:HH:MM:ss.l',
  })
}
