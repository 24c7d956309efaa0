import { setTimeout as delay } from 'node:timers/promises'
import { isTemporary, UpstreamError } from '../../core/upstream/upstream-error.ts'

const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000

/** Attempts after failures that may pass: each later than the one before, and no earlier than was asked for. */
export class Retries {
  readonly #times: number
  readonly #firstDelayMs: number

  /** @param times how often work that makes no progress is tried again */
  constructor(times: number, { firstDelayMs = FIRST_DELAY_MS } = {}) {
    this.#times = times
    this.#firstDelayMs = firstDelayMs
  }

  /** @throws the error of the last attempt */
  async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    for (let failures = 0; ; ) {
      try {
        return await work()
      } catch (error) {
        await this.pause(error, ++failures, signal)
      }
    }
  }

  /** Waits before another attempt.
   *  @param failures how many there were without progress, this one included
   *  @throws the error if there is to be none; the signal's reason */
  async pause(error: unknown, failures: number, signal?: AbortSignal): Promise<void> {
    if (!(error instanceof UpstreamError) || !isTemporary(error) || failures > this.#times) throw error
    const backoffMs = this.#firstDelayMs * 2 ** (failures - 1) * (0.5 + Math.random() / 2)
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(backoffMs, error.retryAfterMs ?? 0))
    await delay(delayMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted())
  }
}
