export interface LivenessOptions {
  /** Sends a ping to a worker. */
  readonly ask: (id: number) => void
  /** Called once for a worker that does not answer. */
  readonly onSilent: (id: number) => void
}

const INTERVAL_MS = 5_000
/** Limit of unanswered pings. Pings are counted instead of time, because none are sent while the whole
 *  machine is suspended. */
const MAX_UNANSWERED = 4

/** Finds workers that hang; they would keep their connections and be given new ones. Reported after 20 s. */
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
