import { TransientMap } from './collections/transient.ts'

/** Coalesces concurrent reads of the same key. Each caller gets the result of a read that began after its
 *  call, so that it never sees a state from before a change it knows of; callers during a running read share
 *  the next one. */
export class CoalescedReads<Result> {
  readonly #running = new TransientMap<string, Running<Result>>()
  readonly #read: (key: string) => Promise<Result>

  constructor(read: (key: string) => Promise<Result>) {
    this.#read = read
  }

  read(key: string): Promise<Result> {
    const running = this.#running.get(key)
    if (running === undefined) return this.#begin(key)
    const begin = () => this.#begin(key)
    running.next ??= running.done.then(begin, begin)
    return running.next
  }

  #begin(key: string): Promise<Result> {
    const done = this.#read(key).finally(() => {
      if (running.next === undefined) this.#running.delete(key)
    })
    const running: Running<Result> = { done, next: undefined }
    this.#running.set(key, running)
    return done
  }
}

interface Running<Result> {
  readonly done: Promise<Result>
  next: Promise<Result> | undefined
}

/** Questions that many ask at the same time: one is sent for all. */
export class SharedWork<Result> {
  readonly #running = new TransientMap<string, Promise<Result>>()

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

/** Runs work of the same name one after the other. */
export class OneAtATime {
  readonly #last = new TransientMap<string, Promise<unknown>>()

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
