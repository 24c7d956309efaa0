/** Notifies all waiting readers of the next change. */
export class Progress {
  #next: PromiseWithResolvers<void> | undefined

  /** Resolves at the next call of `notify`. */
  wait(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>()
    return this.#next.promise
  }

  notify(): void {
    this.#next?.resolve()
    this.#next = undefined
  }
}
