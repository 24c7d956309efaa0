import { pino } from 'pino'
import type { AuditEntry, AuditLog } from '../core/access/audit-log.ts'
import type { Log } from '../core/log.ts'
import { openSink } from '../lib/byte-sink.ts'
import { LineWriter } from '../lib/line-writer.ts'
import { LogLines } from './log-lines.ts'
import { LAST_LINES_MS } from './process-log.ts'

export interface AuditFileOptions {
  /** The path of a file of its own, which is made when it is missing; or what other logs use as well. */
  readonly destination: string | LineWriter
  /** What goes wrong is said there. */
  readonly log: Log
}

/** Who did what, a line of JSON each: in a file that can be moved away and is then begun anew, or on standard output. Lines that
 *  can't be written keep nobody from being served: they wait, and are dropped when too many wait; how many were is then
 *  written in their place. */
export class AuditFile implements AuditLog {
  readonly #log: Log
  /** Undefined where others use it as well. */
  readonly #path: string | undefined
  readonly #writer: LineWriter | undefined
  readonly #lines: LogLines
  readonly #entries: pino.Logger

  /** @throws Error when the file can't be opened */
  constructor({ destination, log }: AuditFileOptions) {
    this.#log = log
    if (typeof destination === 'string') {
      this.#path = destination
      this.#writer = this.#open(destination)
    }
    this.#lines = new LogLines(this.#writer ?? (destination as LineWriter))
    const options = {
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      // In the place of a level, which would say nothing here: what tells these lines from the log's.
      formatters: { level: () => ({ audit: true }) },
    }
    this.#entries = pino(options, this.#lines)
    this.#lines.whenLost((droppedLines) => {
      this.#entries.info({ droppedLines })
      log.warn(
        { path: this.#path, droppedLines },
        'lines of the audit log were dropped, because they could not be written',
      )
    })
  }

  /** How many lines were lost since the start. */
  get droppedLines(): number {
    return this.#lines.dropped
  }

  record(entry: AuditEntry): void {
    this.#entries.info(entry)
  }

  /** Goes on in a new file where the old one was moved away. */
  reopen(): void {
    try {
      this.#writer?.reopen()
    } catch (error) {
      this.#report(error)
    }
  }

  /** Fulfilled when all is written that can be, within a moment. */
  async close(): Promise<void> {
    await this.#writer?.close(LAST_LINES_MS)
  }

  #open(path: string): LineWriter {
    try {
      return new LineWriter({ open: () => openSink(path), onFailure: this.#report })
    } catch (cause) {
      throw new Error(`auth.audit.path: ${path}: ${(cause as Error).message}`, { cause })
    }
  }

  readonly #report = (error: unknown) => {
    this.#log.error({ path: this.#path, err: error }, 'the audit log cannot be written')
  }
}
