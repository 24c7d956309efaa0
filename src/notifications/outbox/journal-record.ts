import type { RegistryEvent } from '../event.ts'
import type { Outcome } from './outbox.ts'

/** A line of a journal: a change that is about to happen; what came of one; a change that has happened already; or, in a file that
 *  grows, when the lines before it were written, by the storage's clock, in milliseconds since 1970. */
export type JournalRecord =
  | { readonly intent: RegistryEvent; readonly moment: number }
  | { readonly ended: string; readonly outcome: Outcome }
  | { readonly happened: RegistryEvent; readonly moment: number }
  | { readonly before: number }

/** By the clock of the process, in milliseconds with fractions: tells apart what its own events and those of others can't. */
export function momentNow(): number {
  return performance.timeOrigin + performance.now()
}

export function encodeLine(record: object): string {
  return `${JSON.stringify(record)}\n`
}

/** What can't be read is left out: that is only what an operator has damaged. */
export function decodeLines<Line>(content: Uint8Array): Line[] {
  const lines: Line[] = []
  for (const line of Buffer.from(content).toString().split('\n')) {
    if (line === '') continue
    try {
      lines.push(JSON.parse(line) as Line)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  return lines
}
