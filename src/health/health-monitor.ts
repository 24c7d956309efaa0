import type { Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import type { Check } from './checks.ts'

/** The results of the latest checks. */
export class HealthMonitor implements Health {
  readonly #failures = new Map<string, string>()
  readonly #failedInARow = new Map<string, number>()
  readonly #log: Log
  hasStarted = false

  constructor(log: Log) {
    this.#log = log
  }

  get failures(): ReadonlyMap<string, string> {
    return this.#failures
  }

  /** Runs a check once. Never rejects; a check aborted by the signal has no result. */
  async make({ name, threshold, timeoutMs, run }: Check, stopped: AbortSignal): Promise<void> {
    const tooLong = AbortSignal.timeout(timeoutMs)
    const signal = AbortSignal.any([stopped, tooLong])
    try {
      await Promise.race([run(signal), rejectedAt(signal)])
      this.#succeeded(name)
    } catch (error) {
      if (stopped.aborted) return
      const reason = tooLong.aborted ? `no answer in ${timeoutMs} ms` : (error as Error).message
      this.#failed(name, { reason, threshold })
    }
  }

  #succeeded(name: string): void {
    this.#failedInARow.delete(name)
    if (this.#failures.delete(name)) this.#log.info({ check: name }, 'a health check has recovered')
  }

  #failed(name: string, { reason, threshold }: { reason: string; threshold: number }): void {
    const failed = (this.#failedInARow.get(name) ?? 0) + 1
    this.#failedInARow.set(name, failed)
    if (failed < threshold) return
    if (!this.#failures.has(name))
      this.#log.warn({ check: name, reason }, 'a health check fails: requests are rejected')
    this.#failures.set(name, reason)
  }
}

/** Work that ignores the signal is not awaited. */
function rejectedAt(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}
