import { EventEmitter, once } from 'node:events'
import { Writable } from 'node:stream'
import type { Log } from '../../src/core/log.ts'
import { createLogger } from '../../src/observability/logger.ts'

/** The real logger with its lines kept. */
export class RecordedLog {
  readonly log: Log
  readonly lines: string[]
  readonly #events: EventEmitter

  private constructor(parts: { log: Log; lines: string[]; events: EventEmitter }) {
    this.log = parts.log
    this.lines = parts.lines
    this.#events = parts.events
  }

  static async start(formatter: 'json' | 'text' = 'json'): Promise<RecordedLog> {
    const lines: string[] = []
    const events = new EventEmitter()
    const destination = new Writable({
      write(line, _encoding, done) {
        lines.push(String(line))
        events.emit('line')
        done()
      },
    })
    const log = await createLogger({ level: 'debug', formatter, fields: {} }, destination)
    return new RecordedLog({ log, lines, events })
  }

  /** The first line, past or to come, that has this text in it. */
  async until(text: string): Promise<string> {
    for (;;) {
      const line = this.lines.find((candidate) => candidate.includes(text))
      if (line !== undefined) return line
      await once(this.#events, 'line')
    }
  }
}
