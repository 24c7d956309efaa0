import { EventEmitter, once } from 'node:events'
import type { Log } from '../../src/core/log.ts'
import { createLogger } from '../../src/observability/logger.ts'

/** The lines of the real logger, as programs read them. */
export class RecordedLog extends EventEmitter {
  readonly lines: string[] = []
  readonly log: Log

  private constructor(create: (write: (line: string) => void) => Log) {
    super()
    this.log = create((line) => {
      this.lines.push(line)
      this.emit('line')
    })
  }

  static async start(formatter: 'json' | 'text' = 'json'): Promise<RecordedLog> {
    let write = (_line: string) => {}
    const destination = { write: (line: string) => write(line) }
    const log = await createLogger({ level: 'debug', formatter, fields: {} }, destination)
    return new RecordedLog((record) => {
      write = record
      return log
    })
  }

  /** The first line, past or to come, that has this text in it. */
  async until(text: string): Promise<string> {
    for (;;) {
      const line = this.lines.find((candidate) => candidate.includes(text))
      if (line !== undefined) return line
      await once(this, 'line')
    }
  }
}
