import { openSync, readSync } from 'node:fs'

/** Of this thread, for all that ask; undefined if this system does not tell. */
let descriptor: number | undefined
let isOpened = false

function openOnce(): number | undefined {
  if (isOpened) return descriptor
  isOpened = true
  try {
    descriptor = openSync('/proc/thread-self/schedstat', 'r')
  } catch {
    // Not Linux, or without its sched-stats.
  }
  return descriptor
}

/** How long this thread has waited for a processor, by Linux (sched-stats). */
export class ProcessorWait {
  readonly #descriptor = openOnce()
  readonly #buffer = Buffer.alloc(64)
  #total = 0

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
