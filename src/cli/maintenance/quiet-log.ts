import type { Log } from '../../core/log.ts'

/** The log of commands that print what they do: only warnings and errors are shown. */
export const quietLog: Log = { debug() {}, info() {}, warn: complain, error: complain }

function complain(fields: object, message?: string): void {
  const { err } = fields as { err?: unknown }
  process.stderr.write(`entrepot: ${message ?? ''}${err instanceof Error ? `: ${err.message}` : ''}\n`)
}
