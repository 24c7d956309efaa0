import { statfs } from 'node:fs/promises'
import { ProcessorWait } from './processor-wait.ts'

/** `auto` allows synchronous calls if the file system answers in microseconds, `never` forbids them. */
export type QuickCallsMode = 'auto' | 'never'

/** Local file systems, by Linux's numbers (statfs(2)). On others, such as network file systems, a call may
 *  hang for minutes. */
const LOCAL = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
])

/** A call that takes longer, apart from waiting for a processor, was probably not answered from memory. */
const SLOW_MS = 1
/** After this time, the thread's wait for a processor is read again before a call. */
const WAIT_READ_MS = 20
/** The number of slow ones among the last calls at which the file system counts as slow. */
const MAX_SLOW = 6
const LAST_CALLS = 16
/** The time of the slow ones among the last calls at which it counts as slow as well: a few long ones among many
 *  quick ones block the loop as much. */
const MAX_SLOW_MS = 40
/** Time limit for synchronous calls in one turn of the event loop, in milliseconds. */
const TURN_MS = 4
/** A pause lasts this many times as long as the slow calls, which limits the share of time that a slow disk
 *  can block the loop. */
const PAUSE_FACTOR = 100

/** Synchronous calls that read a few hundred bytes of metadata: a trip to the thread pool costs ten times as
 *  much. Only made while measurements show that this pays, and for a limited time in each turn of the event
 *  loop. */
export class QuickCalls {
  readonly #root: string
  readonly #turnMs: number
  #isLocal: boolean | undefined
  /** No calls before this time, by `performance.now()`. */
  #pausedUntil = 0
  /** Approximate number of slow ones among the last calls, and their duration. */
  #slowCalls = 0
  #slowMs = 0
  readonly #processorWait: Pick<ProcessorWait, 'sinceLast'>
  #waitReadAt = 0
  /** Start of the first call of this turn. */
  #turnBegan: number | undefined
  #nextTurn: PromiseWithResolvers<void> | undefined

  /** @param turnMs time limit in one turn of the event loop, in milliseconds */
  constructor(
    root: string,
    mode: QuickCallsMode = 'auto',
    turnMs = TURN_MS,
    processorWait: Pick<ProcessorWait, 'sinceLast'> = new ProcessorWait(),
  ) {
    this.#root = root
    this.#processorWait = processorWait
    this.#turnMs = turnMs
    if (mode === 'never') this.#isLocal = false
  }

  /** True if the file system is local. False until that is known. */
  get isLocal(): boolean {
    if (this.#isLocal === undefined) void this.#look()
    return this.#isLocal ?? false
  }

  /** True if synchronous calls are allowed; otherwise the thread pool must be used. */
  get areAllowed(): boolean {
    return this.isLocal && performance.now() >= this.#pausedUntil
  }

  /** True if a synchronous call is allowed, and this turn of the event loop has time left for it. */
  get haveTime(): boolean {
    if (!this.isLocal) return false
    const now = performance.now()
    if (now < this.#pausedUntil) return false
    this.#beginTurn(now)
    return now - (this.#turnBegan ?? now) < this.#turnMs
  }

  /** Undefined while this turn of the event loop has time left; otherwise a promise of the next turn. */
  untilTurn(): Promise<void> | undefined {
    const now = performance.now()
    this.#beginTurn(now)
    return now - (this.#turnBegan ?? now) < this.#turnMs ? undefined : this.nextTurn()
  }

  nextTurn(): Promise<void> {
    this.#beginTurn(performance.now())
    this.#nextTurn ??= Promise.withResolvers()
    return this.#nextTurn.promise
  }

  /** Makes a synchronous call and measures it.
   *  @throws the errors of the call */
  make<Result>(call: () => Result): Result {
    const begunAt = performance.now()
    if (begunAt - this.#waitReadAt > WAIT_READ_MS) this.#readWait(begunAt)
    try {
      return call()
    } finally {
      this.#judge(performance.now() - begunAt)
    }
  }

  #judge(elapsedMs: number): void {
    this.#slowCalls *= 1 - 1 / LAST_CALLS
    this.#slowMs *= 1 - 1 / LAST_CALLS
    if (elapsedMs < SLOW_MS) return
    const milliseconds = elapsedMs - this.#readWait(performance.now())
    if (milliseconds < SLOW_MS) return
    this.#slowCalls += 1
    this.#slowMs += milliseconds
    if (this.#slowCalls < MAX_SLOW && this.#slowMs < MAX_SLOW_MS) return
    this.#pausedUntil = performance.now() + PAUSE_FACTOR * this.#slowMs
    this.#slowCalls = 0
    this.#slowMs = 0
  }

  /** The wait for a processor since it was read last. */
  #readWait(now: number): number {
    this.#waitReadAt = now
    return this.#processorWait.sinceLast()
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

  /** A missing root is checked again later. */
  async #look(): Promise<void> {
    this.#isLocal = false
    try {
      this.#isLocal = process.platform === 'linux' && LOCAL.has((await statfs(this.#root)).type)
    } catch {
      this.#isLocal = undefined
    }
  }
}
