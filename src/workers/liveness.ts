export interface LivenessOptions {
  /** Asks the worker of that number whether it is there. */
  readonly ask: (id: number) => void
  /** Called once for a worker that has not answered for a while. */
  readonly onSilent: (id: number) => void
}

const INTERVAL_MS = 5_000
/** Questions without an answer. They are counted, not the time: where the whole machine stands still nobody asks. */
const MAX_UNANSWERED = 4

/** Looks whether workers are there: one that stands still, or never comes to the end of something, would keep its connections and the
 *  next one that it is handed. It is silent after 20 s. */
export class Liveness {
  readonly #options: LivenessOptions
  readonly #unanswered = new Map<number, number>()
  readonly #timer: NodeJS.Timeout

  constructor(options: LivenessOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#askAll(), INTERVAL_MS).unref()
  }

  watch(id: number): void {
    this.#unanswered.set(id, 0)
  }

  answered(id: number): void {
    if (this.#unanswered.has(id)) this.#unanswered.set(id, 0)
  }

  forget(id: number): void {
    this.#unanswered.delete(id)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #askAll(): void {
    for (const [id, unanswered] of this.#unanswered) {
      if (unanswered >= MAX_UNANSWERED) {
        this.forget(id)
        this.#options.onSilent(id)
      } else {
        this.#unanswered.set(id, unanswered + 1)
        this.#options.ask(id)
      }
    }
  }
}
