import { statfs } from 'node:fs/promises'

/** Whether calls may be made at once: `auto` where the file system answers in microseconds, `never` nowhere. */
export type QuickCallsMode = 'auto' | 'never'

/** File systems on a disk of this machine or in its memory, by the numbers that Linux gives them (statfs(2)). Of any other, such as
 *  one of the network, a call may hang for minutes. */
const LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
])

/** A call that takes longer was hardly answered from memory, unless this thread had to wait for a processor. */
const SLOW_MS = 1
/** So many slow ones of the last calls, and the file system counts as slow. */
const MAX_SLOW = 6
const LAST_CALLS = 16
/** One such call is enough. */
const VERY_SLOW_MS = 100
/** How long a turn of the event loop may go on with calls. */
const TURN_MS = 4
/** A pause lasts so many times as long as the slow calls did, so that a slow disk holds the loop up for at most one part in so many
 *  of its time. */
const PAUSE_FACTOR = 100

/** Calls to the file system that read a few hundred bytes of metadata, made on the thread of the event loop: a trip into the thread
 *  pool costs ten times as much as such a call. Only where it is measured that this pays, and never so long that others wait. */
export class QuickCalls {
  readonly #root: string
  #isLocal: boolean | undefined
  /** No call before this moment, by `performance.now()`. */
  #pausedUntil = 0
  /** About how many of the last calls were slow, and how long these took. */
  #slowCalls = 0
  #slowMs = 0
  /** When the first call of this turn began. */
  #turnBegan: number | undefined
  #nextTurn: PromiseWithResolvers<void> | undefined

  constructor(root: string, mode: QuickCallsMode = 'auto') {
    this.#root = root
    if (mode === 'never') this.#isLocal = false
  }

  /** Whether the file system is one of this machine. False until that is known. */
  get isLocal(): boolean {
    if (this.#isLocal === undefined) void this.#look()
    return this.#isLocal ?? false
  }

  /** Whether calls are made here. Otherwise the thread pool makes them. */
  get areAllowed(): boolean {
    return this.isLocal && performance.now() >= this.#pausedUntil
  }

  /** Undefined while this turn of the event loop may go on with calls; otherwise a promise of the next turn. */
  untilTurn(): Promise<void> | undefined {
    const now = performance.now()
    this.#beginTurn(now)
    return now - (this.#turnBegan ?? now) < TURN_MS ? undefined : this.nextTurn()
  }

  nextTurn(): Promise<void> {
    this.#beginTurn(performance.now())
    this.#nextTurn ??= Promise.withResolvers()
    return this.#nextTurn.promise
  }

  /** Makes a call.
   *  @throws what the call throws */
  make<Result>(call: () => Result): Result {
    const begunAt = performance.now()
    try {
      return call()
    } finally {
      this.#judge(performance.now() - begunAt)
    }
  }

  #judge(milliseconds: number): void {
    this.#slowCalls *= 1 - 1 / LAST_CALLS
    if (milliseconds < SLOW_MS) return
    this.#slowCalls += 1
    this.#slowMs = this.#slowCalls < 2 ? milliseconds : this.#slowMs + milliseconds
    if (this.#slowCalls < MAX_SLOW && milliseconds < VERY_SLOW_MS) return
    this.#pausedUntil = performance.now() + PAUSE_FACTOR * this.#slowMs
    this.#slowCalls = 0
  }

  readonly #endTurn = (): void => {
    this.#turnBegan = undefined
    this.#nextTurn?.resolve()
    this.#nextTurn = undefined
  }

  #beginTurn(now: number): void {
    if (this.#turnBegan !== undefined) return
    this.#turnBegan = now
    setImmediate(this.#endTurn)
  }

  /** A root that is not there yet is looked at again. */
  async #look(): Promise<void> {
    this.#isLocal = false
    try {
      this.#isLocal = process.platform === 'linux' && LOCAL.has((await statfs(this.#root)).type)
    } catch {
      this.#isLocal = undefined
    }
  }
}
