import type { Log } from '../core/log.ts'

/** Redirects Node's warnings to the log. On standard error they would block the process if nothing reads
 *  it. */
export function logPlatformWarnings(log: Log): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ err: warning }, 'a warning of Node'))
}
