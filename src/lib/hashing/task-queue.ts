/** What a thread is to do. */
export const OPERATIONS = { update: 0, digest: 1, end: 2, report: 3, forget: 4 } as const

export interface Task {
  readonly operation: (typeof OPERATIONS)[keyof typeof OPERATIONS]
  /** The number of the hash or, of a question, that of the answer too. */
  readonly hash: number
  /** The number of the memory, and the place of the bytes in it. */
  readonly memory: number
  readonly offset: number
  readonly length: number
}

/** Tasks that fit; a power of two. */
export const MAX_TASKS = 4096
const FIELDS = 5

/** Positions of what both threads know: the numbers of tasks that were added and done, modulo 2³², and whether the thread sleeps. */
const ADDED = 0
const DONE = 1
const SLEEPS = 2
const HEAD_FIELDS = 4

/** Tasks for another thread, in shared memory: no message is sent for one. One thread adds, one does them in turn. */
export class TaskQueue {
  readonly memory: SharedArrayBuffer
  readonly #fields: Int32Array
  /** Of the thread that has this object: how many it has added, or done. */
  #count = 0

  /** @param memory that of the other thread's queue */
  constructor(
    memory = new SharedArrayBuffer((HEAD_FIELDS + MAX_TASKS * FIELDS) * Int32Array.BYTES_PER_ELEMENT),
  ) {
    this.memory = memory
    this.#fields = new Int32Array(memory)
  }

  /** How many were done, modulo 2³². */
  get done(): number {
    return Atomics.load(this.#fields, DONE)
  }

  /** Adds a task, for which there must be room; the thread may go on sleeping. */
  add({ operation, hash, memory, offset, length }: Task): void {
    const at = placeOf(this.#count)
    this.#fields[at] = operation
    this.#fields[at + 1] = hash
    this.#fields[at + 2] = memory
    this.#fields[at + 3] = offset
    this.#fields[at + 4] = length
    this.#count = (this.#count + 1) | 0
    Atomics.store(this.#fields, ADDED, this.#count)
  }

  /** Wakes the thread if it sleeps. */
  wake(): void {
    if (Atomics.load(this.#fields, SLEEPS) === 1) Atomics.notify(this.#fields, ADDED)
  }

  /** The next task; sleeps until there is one. */
  next(): Task {
    while (Atomics.load(this.#fields, ADDED) === this.#count) {
      Atomics.store(this.#fields, SLEEPS, 1)
      Atomics.wait(this.#fields, ADDED, this.#count)
      Atomics.store(this.#fields, SLEEPS, 0)
    }
    const at = placeOf(this.#count)
    const [operation, hash, memory, offset, length] = this.#fields.subarray(at, at + FIELDS)
    return { operation, hash, memory, offset, length } as Task
  }

  /** The task is done, and its memory no longer used. */
  finish(): void {
    this.#count = (this.#count + 1) | 0
    Atomics.store(this.#fields, DONE, this.#count)
  }
}

function placeOf(count: number): number {
  return HEAD_FIELDS + (count & (MAX_TASKS - 1)) * FIELDS
}
