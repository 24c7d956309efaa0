import type { Log } from '../core/log.ts'

/** Has what Node warns of in the log. It would go to standard error, and the process would wait for whoever should read that. */
export function logPlatformWarnings(log: Log): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ err: warning }, 'a warning of the platform'))
}
