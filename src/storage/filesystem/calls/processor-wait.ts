import { openSync, readSync } from 'node:fs'

/** How long this thread has waited for a processor, by Linux (sched-stats). */
export class ProcessorWait {
  readonly #descriptor: number | undefined
  readonly #buffer = Buffer.alloc(64)
  #total = 0

  constructor() {
    try {
      this.#descriptor = openSync('/proc/thread-self/schedstat', 'r')
    } catch {
      // Not told by this system.
    }
  }

  /** Milliseconds since it was asked before; 0 where the system does not tell. */
  sinceLast(): number {
    if (this.#descriptor === undefined) return 0
    const length = readSync(this.#descriptor, this.#buffer, 0, this.#buffer.length, 0)
    const total = Number(this.#buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6
    const since = total - this.#total
    this.#total = total
    return since
  }
}
