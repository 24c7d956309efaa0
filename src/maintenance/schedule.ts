import type { Log } from '../core/log.ts'

export interface ScheduleOptions {
  name: string
  /** Between two times, or what says how long it is until the next one. */
  intervalMs: number | (() => number)
  /** Before the first time: a server that has just started has better things to do. */
  firstDelayMs: number
  log: Log
  work: (signal: AbortSignal) => Promise<unknown>
}

/** Does the work now and again, never twice at once, until it is stopped. */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout
  #running: Promise<void> = Promise.resolve()

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#timer = this.#in(options.firstDelayMs)
  }

  /** Fulfilled when what runs has come to its end. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  #in(delayMs: number): NodeJS.Timeout {
    const timer = setTimeout(
      () => {
        if (delayMs > MAX_TIMER_MS) this.#timer = this.#in(delayMs - MAX_TIMER_MS)
        else this.#running = this.#runOnce()
      },
      Math.min(delayMs, MAX_TIMER_MS),
    )
    return timer.unref()
  }

  async #runOnce(): Promise<void> {
    const { name, log, work, intervalMs } = this.#options
    try {
      await work(this.#stopping.signal)
    } catch (err) {
      const isStopped = this.#stopping.signal.aborted && (err as Error)?.name === 'AbortError'
      if (!isStopped) log.error({ work: name, err }, 'maintenance failed; it is tried again at its next time')
    }
    if (this.#stopping.signal.aborted) return
    this.#timer = this.#in(typeof intervalMs === 'number' ? intervalMs : intervalMs())
  }
}

/** What setTimeout can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1
