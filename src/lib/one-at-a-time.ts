/** Runs work of the same name one after the other. */
export class OneAtATime {
  readonly #last = new Map<string, Promise<unknown>>()

  do<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(name)
    const done = before === undefined ? work() : before.then(work, work)
    this.#last.set(name, done)
    const forget = () => {
      if (this.#last.get(name) === done) this.#last.delete(name)
    }
    done.then(forget, forget)
    return done
  }
}
