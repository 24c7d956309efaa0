import { pino } from 'pino'
import type { AuditEntry, AuditLog } from '../core/audit-log.ts'
import type { Log } from '../core/log.ts'

type Destination = ReturnType<typeof pino.destination>

/** Who did what, a line of JSON each: on standard output, or in a file that can be moved away and is then begun anew. */
export class AuditFile implements AuditLog {
  readonly #path: string
  readonly #log: Log
  readonly #destination: Destination
  readonly #lines: pino.Logger

  /** @param path `stdout`, or where the file is; it is made when it is missing
   *  @throws Error when it can't be opened */
  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
    this.#destination = openDestination(path)
    // A full disk must not keep anybody from pulling: it is said in the other log.
    this.#destination.on('error', this.#report)
    const options = {
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      // In the place of a level, which would say nothing here: what tells these lines from the log's.
      formatters: { level: () => ({ audit: true }) },
    }
    this.#lines = pino(options, this.#destination)
  }

  record(entry: AuditEntry): void {
    this.#lines.info(entry)
  }

  /** Goes on in a new file where the old one was moved away. */
  reopen(): void {
    if (this.#path === STDOUT) return
    try {
      this.#destination.reopen()
    } catch (error) {
      this.#report(error)
    }
  }

  close(): void {
    this.#destination.flushSync()
    if (this.#path !== STDOUT) this.#destination.end()
  }

  readonly #report = (error: unknown) => {
    this.#log.error({ path: this.#path, err: error }, 'the audit log cannot be written')
  }
}

const STDOUT = 'stdout'

function openDestination(path: string): Destination {
  if (path === STDOUT) return pino.destination({ dest: 1, sync: true })
  try {
    return pino.destination({ dest: path, append: true, sync: true, mode: 0o600 })
  } catch (cause) {
    throw new Error(`auth.audit.path: ${path}: ${(cause as Error).message}`, { cause })
  }
}
