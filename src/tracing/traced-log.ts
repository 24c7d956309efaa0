import type { Log } from '../core/log.ts'
import type { Spans } from './spans.ts'

/** Adds the ids of the current span to each line. */
export class TracedLog implements Log {
  readonly #log: Log
  readonly #spans: Spans

  constructor(log: Log, spans: Spans) {
    this.#log = log
    this.#spans = spans
  }

  debug(fields: object, message: string): void {
    this.#log.debug({ ...fields, ...this.#spans.ids() }, message)
  }

  info(fields: object, message: string): void {
    this.#log.info({ ...fields, ...this.#spans.ids() }, message)
  }

  warn(fields: object, message: string): void {
    this.#log.warn({ ...fields, ...this.#spans.ids() }, message)
  }

  error(fields: object, message: string): void {
    this.#log.error({ ...fields, ...this.#spans.ids() }, message)
  }
}
