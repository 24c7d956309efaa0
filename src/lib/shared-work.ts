/** Questions that many ask at the same time: one is sent for all. */
export class SharedWork<Result> {
  readonly #running = new Map<string, Promise<Result>>()

  /** The work of that name which is under way, or this one. */
  do(name: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(name)
    if (running !== undefined) return running
    const begun = work().finally(() => this.#running.delete(name))
    begun.catch(() => undefined) // who waits hears of it, if anybody still does
    this.#running.set(name, begun)
    return begun
  }
}
