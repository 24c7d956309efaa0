/** Repeats work periodically, never twice at once. */
export class Polling {
  readonly #work: () => Promise<void>
  readonly #pauseMs: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  /** Does not start yet.
   *  @param work catches its errors itself */
  constructor(work: () => Promise<void>, pauseMs: number) {
    this.#work = work
    this.#pauseMs = pauseMs
  }

  /** Starts, with a pause first. */
  start(): void {
    this.#timer = setTimeout(() => void this.now(), this.#pauseMs).unref()
  }

  /** Runs the work once more and resolves when that run has ended. */
  async now(): Promise<void> {
    await this.#running
    if (this.#isClosed || this.#running !== undefined) return this.#running
    clearTimeout(this.#timer)
    this.#running = this.#work().finally(() => {
      this.#running = undefined
      if (!this.#isClosed) this.start()
    })
    return this.#running
  }

  stop(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }
}
