/** Wakes those who wait for the next thing to happen. */
export class Progress {
  #next: PromiseWithResolvers<void> | undefined

  /** Resolves with the next `notify`. */
  wait(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>()
    return this.#next.promise
  }

  notify(): void {
    this.#next?.resolve()
    this.#next = undefined
  }
}
