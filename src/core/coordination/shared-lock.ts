import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { FileVersion } from '../storage-driver.ts'
import { Lease, type LeaseTiming, SilenceWatch } from './lease.ts'
import { type Held, SharedState, type SharedStateParts } from './shared-state.ts'

/** The state of a lock. Without a holder it is free. */
interface LockState {
  /** A unique name of the holder. */
  readonly holder?: string | undefined
  /** Heartbeat of the holder. */
  readonly beat?: number | undefined
  /** The data that the last holder left for the next one. */
  readonly note?: string | undefined
}

export interface LockTiming extends LeaseTiming {
  /** Time limit for waiting. Longer than the lease, so that a holder that has died is replaced. */
  readonly patienceMs: number
  /** Longest pause between two looks at the state. */
  readonly longestWaitMs: number
}

export interface SharedLockParts {
  readonly storage: SharedStateParts<LockState>['storage']
  readonly path: string
  readonly timing: LockTiming
}

/** Another process holds the lock for longer than this one waits. */
export class LockBusy extends Error {
  override readonly name = 'LockBusy'
}

/** Another process has taken the lock over, because this one seemed dead. What it did meanwhile may have been undone. */
export class LockLost extends Error {
  override readonly name = 'LockLost'
}

export interface LockHolder {
  /** The note of the last holder. Undefined if there is none, or if that holder never released the lock. */
  readonly note: string | undefined
  /** @throws LockLost if another process may have taken over. To be called before each change. */
  requireHeld(): void
}

const FIRST_WAIT_MS = 5

/** Mutual exclusion among all processes that share a storage. A holder that sends no heartbeat for a lease, by the
 *  clock of the process that waits, is replaced. */
export class SharedLock {
  readonly #state: SharedState<LockState>
  readonly #timing: LockTiming

  constructor({ storage, path, timing }: SharedLockParts) {
    this.#state = new SharedState({ storage, path, parse })
    this.#timing = timing
  }

  /** Runs work while no other process does.
   *  @param work returns the note for the next holder; if it throws, the note stays as it was
   *  @throws LockBusy; LockLost; whatever `work` throws */
  async during(
    work: (holder: LockHolder) => Promise<string | undefined>,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { lease, note } = await this.#acquire(signal)
    const requireHeld = () => {
      if (!lease.isHeld) throw new LockLost('another process has taken the lock over')
    }
    let next: string | undefined
    try {
      next = await work({ note, requireHeld })
    } catch (error) {
      // If this fails too, the others wait for the lease to end. The first error is the one to report.
      await this.#release(lease, note).catch(() => undefined)
      throw error
    }
    await this.#release(lease, next)
  }

  async #acquire(
    signal: AbortSignal | undefined,
  ): Promise<{ lease: Lease<LockState>; note: string | undefined }> {
    const deadline = performance.now() + this.#timing.patienceMs
    for (;;) {
      const { state, version } = await this.#whenFree(deadline, signal)
      const lease = new Lease<LockState>(this.#timing, (previous) =>
        this.#swapIn(previous ?? { state: { holder: randomUUID(), beat: 0 }, version }),
      )
      try {
        await lease.begun
        return { lease, note: state.note }
      } catch (error) {
        if (!(error instanceof LockLost)) throw error // otherwise another process was faster
      }
    }
  }

  /** The state once it has no holder, or the holder was silent for a lease. */
  async #whenFree(
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<{ state: LockState; version: FileVersion | undefined }> {
    const { leaseMs, longestWaitMs } = this.#timing
    const silence = new SilenceWatch()
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, longestWaitMs)) {
      signal?.throwIfAborted()
      const stored = await this.#state.get()
      if (stored === undefined || stored.state.holder === undefined)
        return { state: stored?.state ?? {}, version: stored?.version }
      if (silence.watchedMs(stored.version) > leaseMs) return { state: {}, version: stored.version }
      if (performance.now() > deadline) throw new LockBusy('another process holds the lock')
      await delay(wait, undefined, { signal })
    }
  }

  /** Takes the lock, or sends a heartbeat. */
  async #swapIn({
    state,
    version,
  }: {
    state: LockState
    version: FileVersion | undefined
  }): Promise<Held<LockState>> {
    const next = { holder: state.holder, beat: (state.beat ?? 0) + 1 }
    const swapped = await this.#state.swap(next, version)
    if (swapped === undefined) throw new LockLost('another process has taken the lock')
    return { state: next, version: swapped }
  }

  async #release(lease: Lease<LockState>, note: string | undefined): Promise<void> {
    const { version } = await lease.end()
    const swapped = await this.#state.swap(note === undefined ? {} : { note }, version)
    if (swapped === undefined) throw new LockLost('another process has taken the lock over')
  }
}

/** A malformed state counts as that of a silent holder. */
function parse(found: unknown): LockState {
  const { holder, beat, note } = Object(found) as LockState
  if (found === undefined) return { holder: '' }
  return { holder, beat, note }
}
