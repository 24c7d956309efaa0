import type { FileVersion } from '../storage-driver.ts'
import type { Held } from './shared-state.ts'

export interface LeaseTiming {
  /** How long a holder may be silent before another process takes its place. */
  readonly leaseMs: number
  /** How often a holder says that it is alive. */
  readonly beatMs: number
}

/** How long a process has seen a holder be silent: its state has not changed on the clock of whoever waits. Clocks of different
 *  machines are never compared. */
export class SilenceWatch {
  #watched: { version: FileVersion; since: number } | undefined

  /** @param version of the state just now
   *  @returns milliseconds */
  watchedMs(version: FileVersion): number {
    const now = performance.now()
    if (this.#watched?.version !== version) this.#watched = { version, since: now }
    return now - this.#watched.since
  }
}

/** A state that this process holds. It is renewed, which is the beat that others watch, until it is ended. */
export class Lease<State> {
  users = 0
  readonly begun: Promise<void>
  readonly #timing: LeaseTiming
  readonly #renew: (previous: Held<State> | undefined) => Promise<Held<State>>
  #held: Promise<Held<State>>
  #keptUpAt = 0
  #timer: NodeJS.Timeout | undefined

  /** @param renew acquires it, if there is no previous state, or renews it; throws if another process has it */
  constructor(timing: LeaseTiming, renew: (previous: Held<State> | undefined) => Promise<Held<State>>) {
    this.#timing = timing
    this.#renew = renew
    this.#held = this.#timed(() => renew(undefined))
    this.begun = this.#held.then(() => {
      this.#timer = setInterval(() => this.#beat(), timing.beatMs).unref()
    })
  }

  /** False once another process may have taken its place. Half of the lease is left for what is being asked of storage at this
   *  moment. */
  get isHeld(): boolean {
    return performance.now() - this.#keptUpAt <= this.#timing.leaseMs / 2
  }

  /** Changes the state, between two beats.
   *  @param work throws if another process has changed it */
  async change(work: (held: Held<State>) => Promise<Held<State>>): Promise<State> {
    const before = this.#held
    const changed = before.then((held) => this.#timed(() => work(held)))
    this.#held = changed.catch(() => before)
    return (await changed).state
  }

  async end(): Promise<Held<State>> {
    clearInterval(this.#timer)
    return this.#held
  }

  #beat(): void {
    const before = this.#held
    this.#held = before.then((held) => this.#timed(() => this.#renew(held)))
    // Then it is not kept up any more, which is asked for.
    this.#held = this.#held.catch(() => before)
  }

  /** What counts is when it was asked for, not when the answer came. */
  async #timed(renew: () => Promise<Held<State>>): Promise<Held<State>> {
    const askedAt = performance.now()
    const held = await renew()
    this.#keptUpAt = askedAt
    return held
  }
}
