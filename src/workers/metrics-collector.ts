/** Time limit for a worker's metrics. */
const PATIENCE_MS = 1_000

/** The pending requests for the metrics of workers. */
export class MetricsCollector<Snapshot> {
  readonly #asked = new Map<number, (snapshot: Snapshot) => void>()
  #lastQuestion = 0

  /** Requests metrics. Undefined if the worker does not answer in time.
   *  @param send sends the request with its number */
  async ask(send: (id: number) => void): Promise<Snapshot | undefined> {
    this.#lastQuestion += 1
    const id = this.#lastQuestion
    let patience: NodeJS.Timeout | undefined
    const answered = new Promise<Snapshot | undefined>((resolve) => {
      this.#asked.set(id, resolve)
      patience = setTimeout(() => resolve(undefined), PATIENCE_MS)
    })
    send(id)
    const snapshot = await answered
    clearTimeout(patience)
    this.#asked.delete(id)
    return snapshot
  }

  answered(id: number, snapshot: Snapshot): void {
    this.#asked.get(id)?.(snapshot)
  }
}
