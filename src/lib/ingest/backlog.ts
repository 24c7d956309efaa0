const KIB = 1024
/** Bytes that may wait for the hash or the file that was begun first. Those begun later have less and less, about twice as much all together:
 *  uploads that end one after the other are synced while others are received. */
const MAX_WAITING_BYTES = 1.5 * 1024 * KIB
const MIN_WAITING_BYTES = 64 * KIB
/** A hash and a file belong to one upload. */
const TARGETS_FOR_HALF = 2

/** A hash or a file of a thread. */
export class Target {
  /** In the order in which they were begun. */
  readonly number: number
  waitingBytes = 0
  room: PromiseWithResolvers<void> | undefined

  constructor(number: number) {
    this.number = number
  }
}

/** Bytes that wait for a thread: whoever adds more than the share of a target has to wait. */
export class Backlog {
  /** Targets with bytes that wait. */
  readonly #busy = new Set<Target>()
  /** Those for which somebody waits. */
  readonly #full = new Set<Target>()

  /** True if somebody waits. */
  get isFull(): boolean {
    return this.#full.size > 0
  }

  add(target: Target, byteCount: number): void {
    this.#busy.add(target)
    target.waitingBytes += byteCount
  }

  /** Removes bytes that are done. */
  remove(target: Target, byteCount: number): void {
    target.waitingBytes -= byteCount
    if (target.waitingBytes === 0) this.#busy.delete(target)
  }

  /** A promise if whoever has added bytes must wait before the next. */
  room(target: Target): Promise<void> | undefined {
    if (target.waitingBytes <= this.#shareOf(target)) return undefined
    target.room ??= Promise.withResolvers()
    this.#full.add(target)
    return target.room.promise
  }

  /** Lets those go on whose bytes are mostly done. */
  makeRoom(): void {
    for (const target of this.#full)
      if (target.waitingBytes <= this.#shareOf(target) / 2) this.#release(target)
  }

  /** Lets all go on. */
  end(): void {
    for (const target of this.#full) this.#release(target)
  }

  #shareOf({ number }: Target): number {
    let earlierCount = 0
    for (const other of this.#busy) if (other.number < number) earlierCount++
    return Math.max(MIN_WAITING_BYTES, MAX_WAITING_BYTES / 2 ** (earlierCount / TARGETS_FOR_HALF))
  }

  #release(target: Target): void {
    this.#full.delete(target)
    target.room?.resolve()
    target.room = undefined
  }
}
