/** What a thread is to do. */
export const OPERATIONS = {
  hash: 0,
  digest: 1,
  endHash: 2,
  openFile: 3,
  write: 4,
  endFile: 5,
  report: 6,
  forget: 7,
} as const

export interface Task {
  readonly operation: (typeof OPERATIONS)[keyof typeof OPERATIONS]
  /** The number of the hash or the file. */
  readonly target: number
  /** The number of the memory or, of a file that is opened, its descriptor. */
  readonly memory: number
  /** The place of the bytes in the memory; the number of a question; or the lower half of a position in a file. */
  readonly offset: number
  /** The length of the bytes, or the upper half of a position. */
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
  add({ operation, target, memory, offset, length }: Task): void {
    const at = placeOf(this.#count)
    this.#fields[at] = operation
    this.#fields[at + 1] = target
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
    const [operation, target, memory, offset, length] = this.#fields.subarray(at, at + FIELDS)
    return { operation, target, memory, offset, length } as Task
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
