/** Notifies all waiting readers of changes. */
export class Progress {
  #next: PromiseWithResolvers<void> | undefined
  #isScheduled = false

  /** Resolves after the next call of `notify`. */
  wait(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>()
    return this.#next.promise
  }

  /** Readers wake once all that has arrived by now was taken in, so that they get it in one piece. */
  notify(): void {
    if (this.#next === undefined || this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#next?.resolve()
      this.#next = undefined
    })
  }
}
