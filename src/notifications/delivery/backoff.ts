export interface BackoffSettings {
  /** Failures in a row after which it slows down. */
  readonly threshold: number
  readonly backoffMs: number
  readonly maxBackoffMs: number
}

const FIRST_RETRY_MS = 50

/** How long to wait after some failures in a row: little up to the threshold, then `backoffMs`, twice as long each time up to
 *  `maxBackoffMs`. Between half and the whole of it at random, so that many don't come back at once. */
export function backoffOf(
  failures: number,
  { threshold, backoffMs, maxBackoffMs }: BackoffSettings,
  random: () => number = Math.random,
): number {
  const longest =
    failures < threshold
      ? Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), backoffMs)
      : Math.min(backoffMs * 2 ** Math.min(failures - threshold, 30), Math.max(maxBackoffMs, backoffMs))
  return longest * (0.5 + random() / 2)
}
