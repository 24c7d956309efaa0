/** A worker that has lived this long does not count as failed. */
const SOUND_AFTER_MS = 10_000
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 10_000

/** The delay before an ended worker is replaced: none if it has served for a time, otherwise doubled with
 *  each failure in a row.
 *  @param ended.failures number of failures in a row before it
 *  @returns the delay, and the number of failures with this one */
export function delayBefore({ failures, livedMs }: { failures: number; livedMs: number }): {
  delayMs: number
  failures: number
} {
  if (livedMs >= SOUND_AFTER_MS) return { delayMs: 0, failures: 0 }
  return { delayMs: Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS), failures: failures + 1 }
}
