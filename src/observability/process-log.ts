import { isatty } from 'node:tty'
import { openStandardStream, STDOUT } from '../lib/lines/byte-sink.ts'
import { LineWriter } from '../lib/lines/line-writer.ts'
import { LogLines } from './log-lines.ts'
import { createLogger, type Logger, type LogSettings } from './logger.ts'

/** The log of this process, on standard output. Requests never wait for it: lines that can't be written are
 *  dropped and counted, and their number is logged later. */
export class ProcessLog {
  readonly log: Logger
  /** Standard output, for other logs that share it. */
  readonly output: LineWriter
  /** True if standard output is a terminal. */
  readonly isTerminal = isatty(STDOUT)
  readonly #lines: LogLines

  private constructor(parts: { log: Logger; output: LineWriter; lines: LogLines }) {
    this.log = parts.log
    this.output = parts.output
    this.#lines = parts.lines
    const level = this.log.isLevelEnabled('warn') ? 'warn' : 'error'
    this.#lines.whenLost((droppedLines) => {
      this.log[level]({ droppedLines }, 'lines of the log were dropped, because they could not be written')
    })
  }

  static async open(settings: LogSettings): Promise<ProcessLog> {
    const output = new LineWriter({ open: () => openStandardStream(STDOUT) })
    const lines = new LogLines(output)
    const log = await createLogger({ ...settings, isTerminal: isatty(STDOUT) }, lines)
    return new ProcessLog({ log, output, lines })
  }

  /** Number of lines lost since the start. */
  get droppedLines(): number {
    return this.#lines.dropped
  }

  /** Prints text for people between the lines. */
  print(text: string): void {
    this.#lines.write(text)
  }

  /** Resolves once everything is written, or a short time has passed. */
  close(): Promise<void> {
    return this.output.close(LAST_LINES_MS)
  }
}

/** Time for the last lines of a log at the end of the process. */
export const LAST_LINES_MS = 500
