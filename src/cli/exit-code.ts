import { isTemporary, UpstreamError } from '../core/upstream/upstream-error.ts'
import { UsageError } from './usage-error.ts'

/** The exit status of a command that failed: 2 for a wrong command line, 4 if something is not there, 5 if it
 *  was denied, 75 (EX_TEMPFAIL of sysexits.h) if another attempt may succeed, otherwise 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return 2
  if (!(error instanceof UpstreamError)) return 1
  if (error.code === 'NOT_FOUND') return 4
  if (error.code === 'REFUSED') return 5
  return isTemporary(error) ? 75 : 1
}
