import type { FileVersion } from '../storage-driver.ts'
import type { Held } from './shared-state.ts'

export interface LeaseTiming {
  /** Time without a heartbeat after which another process may take over. */
  readonly leaseMs: number
  /** Interval of the holder's heartbeats. */
  readonly beatMs: number
}

/** Measures how long a holder has sent no heartbeat: how long its state has not changed, by the clock of the
 *  process that waits. Clocks of different machines are never compared. */
export class SilenceWatch {
  #watched: { version: FileVersion; since: number } | undefined

  /** Milliseconds since the version was first seen.
   *  @param version of the state just now */
  watchedMs(version: FileVersion): number {
    const now = performance.now()
    if (this.#watched?.version !== version) this.#watched = { version, since: now }
    return now - this.#watched.since
  }
}

/** A state that this process holds. Renewing it is the heartbeat that others watch, until it is ended. */
export class Lease<State> {
  users = 0
  readonly begun: Promise<void>
  readonly #timing: LeaseTiming
  readonly #renew: (previous: Held<State> | undefined) => Promise<Held<State>>
  #held: Promise<Held<State>>
  #keptUpAt = 0
  #timer: NodeJS.Timeout | undefined

  /** @param renew acquires it, if there is no previous state, or renews it; throws if another process has
   *    it */
  constructor(timing: LeaseTiming, renew: (previous: Held<State> | undefined) => Promise<Held<State>>) {
    this.#timing = timing
    this.#renew = renew
    this.#held = this.#timed(() => renew(undefined))
    this.begun = this.#held.then(() => {
      this.#timer = setInterval(() => this.#beat(), timing.beatMs).unref()
    })
  }

  /** False once another process may take over. Half of the lease is kept back for requests to storage under
   *  way. */
  get isHeld(): boolean {
    return performance.now() - this.#keptUpAt <= this.#timing.leaseMs / 2
  }

  /** Changes the state, between two heartbeats.
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
    // A failure means that the lease was lost, and it is ended here anyway.
    this.#held = this.#held.catch(() => before)
  }

  /** Runs a renewal. The lease counts from the request, not from the answer. */
  async #timed(renew: () => Promise<Held<State>>): Promise<Held<State>> {
    const askedAt = performance.now()
    const held = await renew()
    this.#keptUpAt = askedAt
    return held
  }
}
