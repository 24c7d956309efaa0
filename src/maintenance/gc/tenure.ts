import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type CollectionState,
  collectionState,
  LEASE_MS,
  NO_COLLECTION_YET,
  withoutRemoval,
} from '../../core/collection/collection-state.ts'
import { Lease, type LeaseTiming, SilenceWatch } from '../../core/coordination/lease.ts'
import type { Held, SharedState } from '../../core/coordination/shared-state.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

export const TIMING: LeaseTiming = { leaseMs: LEASE_MS, beatMs: 10_000 }

const LOOK_MS = 500

/** How often another collector is seen to do something before it counts as alive. */
const MAX_BEATS = 2

/** Another process collects, and is alive. */
export class CollectorBusy extends Error {
  override readonly name = 'CollectorBusy'
}

/** Another process has taken this one's place. */
export class CollectorReplaced extends Error {
  override readonly name = 'CollectorReplaced'
}

export interface TenureOptions {
  readonly timing?: LeaseTiming
  readonly signal?: AbortSignal | undefined
  /** Takes back what the last collector has condemned in a repository. */
  readonly release: (repository: RepositoryName) => Promise<void>
}

/** The right to collect. Of all processes that share the storage one has it; each change of the state is a compare-and-swap, so a
 *  process that was replaced changes nothing any more. */
export class Tenure {
  readonly #shared: SharedState<CollectionState>
  readonly #lease: Lease<CollectionState>
  #state: CollectionState

  private constructor(
    shared: SharedState<CollectionState>,
    lease: Lease<CollectionState>,
    state: CollectionState,
  ) {
    this.#shared = shared
    this.#lease = lease
    this.#state = state
  }

  /** Begins a new epoch. If the last collector is gone, which takes as long as a lease to see, what it was deleting is brought to an
   *  end first.
   *  @throws CollectorBusy */
  static async begin(
    storage: StorageDriver,
    { timing = TIMING, signal, release }: TenureOptions,
  ): Promise<Tenure> {
    const shared = collectionState(storage)
    const lease: Lease<CollectionState> = new Lease(timing, async (previous) =>
      previous === undefined ? acquire(shared, { storage, timing, signal, release }) : beat(shared, previous),
    )
    await lease.begun
    return new Tenure(shared, lease, await lease.change(async (held) => held))
  }

  get state(): CollectionState {
    return this.#state
  }

  /** @throws CollectorReplaced */
  async change(next: (state: CollectionState) => CollectionState): Promise<void> {
    this.#state = await this.#lease.change(({ state, version }) => swap(this.#shared, next(state), version))
  }

  /** Resolves if this process has the right to collect, and had it when this was called.
   *  @throws CollectorReplaced */
  confirm(): Promise<void> {
    return this.change((state) => ({ ...state, beat: (state.beat ?? 0) + 1 }))
  }

  /** Ends the beats. */
  async end(): Promise<void> {
    await this.#lease.end()
  }
}

async function acquire(
  shared: SharedState<CollectionState>,
  { storage, timing, signal, release }: TenureOptions & { storage: StorageDriver; timing: LeaseTiming },
): Promise<Held<CollectionState>> {
  const silence = new SilenceWatch()
  let beats = 0
  let seen: string | undefined
  for (;;) {
    signal?.throwIfAborted()
    const found = await shared.get()
    const last = found?.state ?? NO_COLLECTION_YET
    const isOver = last.phase === 'idle' || (found && silence.watchedMs(found.version) > timing.leaseMs)
    if (isOver) {
      if (last.fence !== undefined) await storage.closeFence(last.fence)
      if (last.removing !== undefined) await release(last.removing)
      const deletions = withoutRemoval(last).deletions + (last.phase === 'sealed' ? 1 : 0)
      const state = {
        epoch: last.epoch + 1,
        phase: 'mark',
        deletions,
        holder: randomUUID(),
        beat: 0,
      } as const
      const version = await shared.swap(state, found?.version)
      if (version !== undefined) return { state, version }
      continue
    }
    if (found?.version !== seen) beats++
    seen = found?.version
    if (beats > MAX_BEATS) throw new CollectorBusy('another process is collecting garbage')
    await delay(Math.min(LOOK_MS, timing.beatMs), undefined, { signal })
  }
}

function beat(
  shared: SharedState<CollectionState>,
  { state, version }: Held<CollectionState>,
): Promise<Held<CollectionState>> {
  return swap(shared, { ...state, beat: (state.beat ?? 0) + 1 }, version)
}

async function swap(
  shared: SharedState<CollectionState>,
  state: CollectionState,
  expected: string,
): Promise<Held<CollectionState>> {
  const version = await shared.swap(state, expected)
  if (version === undefined)
    throw new CollectorReplaced('another process has taken over the collection of garbage')
  return { state, version }
}
