/** A worker that has lived this long was no failure from the start. */
const SOUND_AFTER_MS = 10_000
const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 10_000

/** How long to wait before another worker takes the place of one that has ended: not at all after one that has served
 *  for a time, and twice as long each time when one after the other ends soon.
 *  @param ended.failures how many before it have ended soon
 *  @returns the delay, and how many have ended soon with this one */
export function delayBefore({ failures, livedMs }: { failures: number; livedMs: number }): {
  delayMs: number
  failures: number
} {
  if (livedMs >= SOUND_AFTER_MS) return { delayMs: 0, failures: 0 }
  return { delayMs: Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS), failures: failures + 1 }
}
