import { pino } from 'pino'
import type { AuditEntry, AuditLog } from '../core/access/audit-log.ts'
import type { Log } from '../core/log.ts'
import { openSink, openStandardStream, STDERR } from '../lib/lines/byte-sink.ts'
import { LineWriter } from '../lib/lines/line-writer.ts'
import { LogLines } from './log-lines.ts'
import { LAST_LINES_MS } from './process-log.ts'

export interface AuditFileOptions {
  /** The path of a file, created if missing; or the output that other logs use too. */
  readonly destination: string | LineWriter
  /** For errors of the audit log itself. */
  readonly log: Log
}

/** The audit log: a line of JSON for each request, in a file that can be rotated, or on standard output.
 *  Requests never wait for it: lines that can't be written wait in memory and are dropped when too many wait.
 *  Their number is then logged instead. */
export class AuditFile implements AuditLog {
  readonly #log: Log
  /** Undefined if the output is shared. */
  readonly #path: string | undefined
  readonly #writer: LineWriter | undefined
  readonly #lines: LogLines
  readonly #entries: pino.Logger

  /** Opens the file.
   *  @throws Error if it can't be opened */
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
      // Replaces the level, which would be meaningless, and marks lines of the audit log.
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

  /** Number of lines lost since the start. */
  get droppedLines(): number {
    return this.#lines.dropped
  }

  record(entry: AuditEntry): void {
    this.#entries.info(entry)
  }

  /** Continues in a new file after the old one was rotated. */
  reopen(): void {
    try {
      this.#writer?.reopen()
    } catch (error) {
      this.#report(error)
    }
  }

  /** Resolves once everything is written, or a short time has passed. */
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

/** The section `auth.audit`. */
type AuditSettings = { readonly path: string } | undefined

/** The audit log of a configuration. Undefined if it has none.
 *  @param output where it goes if its path is `stdout`
 *  @throws Error if its file can't be opened */
export function openAudit(
  settings: AuditSettings,
  { output, log }: { output: LineWriter; log: Log },
): AuditFile | undefined {
  return settings && new AuditFile({ destination: settings.path === 'stdout' ? output : settings.path, log })
}

/** For a command, whose standard output has what it prints: `stdout` stands for standard error.
 *  @throws Error if its file can't be opened */
export function openCommandAudit(settings: AuditSettings, log: Log): AuditLog & AsyncDisposable {
  const output = new LineWriter({ open: () => openStandardStream(STDERR) })
  const audit = openAudit(settings, { output, log })
  return {
    record: (entry) => audit?.record(entry),
    async [Symbol.asyncDispose]() {
      await audit?.close()
      await output.close(LAST_LINES_MS)
    },
  }
}
