import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { Lease, type LeaseTiming, SilenceWatch } from '../../core/coordination/lease.ts'
import { type Held, SharedState } from '../../core/coordination/shared-state.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

/** What storage says of the deletions of a repository. */
interface DeletionState {
  /** How many have come to an end, successful or not. */
  readonly count: number
  /** Who is deleting at the moment, by a name that nobody else has. */
  readonly holder?: string | undefined
  /** Grows while the holder is alive. */
  readonly beat?: number | undefined
  /** For how long others have seen it not grow. It is noted here so that they may be killed as well. */
  readonly silentMs?: number | undefined
}

export interface DeletionsParts {
  readonly storage: StorageDriver
  /** Of the state. */
  readonly path: string
  readonly timing?: DeletionsTiming
}

export interface DeletionsTiming extends LeaseTiming {
  /** How long somebody waits for others. */
  readonly patienceMs: number
}

const TIMING: DeletionsTiming = { leaseMs: 20_000, beatMs: 3_000, patienceMs: 5_000 }

/** How often those who wait note it, within a lease: more seldom than a holder beats. */
const NOTES = 5

const FIRST_WAIT_MS = 5
const LONGEST_WAIT_MS = 200

/** More are not pushed to a repository at the same time. One that is forgotten costs two small reads. */
const MAX_STOOD = 100

/** What a deletion asks before each thing that it removes.
 *  @throws RegistryError UNAVAILABLE when another process may have taken its place */
export type RequireHeld = () => void

/** Keeps deleting manifests and tagging them apart, in all processes that share the storage. Who tags looks afterwards
 *  whether a deletion was under way meanwhile, which costs one small read; who deletes says so before and after.
 *
 *  Clocks of different machines are never compared: a holder counts as gone when its beat has not grown for as long as a
 *  lease on the clocks of those who wait, one after the other. */
export class Deletions {
  readonly #state: SharedState<DeletionState>
  readonly #timing: DeletionsTiming
  /** The last count this process saw while nobody was deleting. */
  #count: number | undefined
  /** The marks at which manifests stood that were pushed or looked for. */
  readonly #stood = new LRUCache<Digest, number>({ max: MAX_STOOD })
  readonly #silence = new SilenceWatch()
  #lease: Lease<DeletionState> | undefined

  constructor({ storage, path, timing = TIMING }: DeletionsParts) {
    this.#state = new SharedState({ storage, path, parse })
    this.#timing = timing
  }

  /** What to compare with `hasDeletedSince`. */
  get mark(): number | undefined {
    return this.#count
  }

  /** Notes that a manifest stood at a time when nobody had deleted since the mark was taken. */
  stood(canonical: Digest, mark: number | undefined): void {
    if (mark !== undefined) this.#stood.set(canonical, mark)
  }

  /** The mark at which the manifest was last known to stand. */
  markOf(canonical: Digest): number | undefined {
    return this.#stood.get(canonical)
  }

  /** Waits until nobody is deleting.
   *  @returns true when somebody has, or may have, since the mark was taken
   *  @throws RegistryError UNAVAILABLE when somebody still is after a while */
  async hasDeletedSince(mark: number | undefined): Promise<boolean> {
    const { state } = await this.#whenFree()
    this.#count = state.count
    return state.count !== 0 && state.count !== mark
  }

  /** Does what removes manifests, while no other process does so in this repository.
   *  @throws RegistryError UNAVAILABLE when it can't begin, or was taken for dead meanwhile */
  async during<Result>(work: (requireHeld: RequireHeld) => Promise<Result>): Promise<Result> {
    const lease = await this.#join()
    try {
      const result = await work(() => {
        if (!lease.isHeld) throw busy()
      })
      await this.#leave(lease)
      return result
    } catch (error) {
      // What others then wait for is the end of the lease; the first error is the one to hear of.
      await this.#leave(lease).catch(() => undefined)
      throw error
    }
  }

  /** Those of one process share a lease: they don't get in each other's way. */
  async #join(): Promise<Lease<DeletionState>> {
    const lease = this.#lease ?? new Lease<DeletionState>(this.#timing, (previous) => this.#swapIn(previous))
    this.#lease = lease
    lease.users++
    try {
      await lease.begun
      return lease
    } catch (error) {
      lease.users--
      if (this.#lease === lease) this.#lease = undefined
      throw error
    }
  }

  async #leave(lease: Lease<DeletionState>): Promise<void> {
    lease.users--
    if (lease.users !== 0) return // others use it, or it is ended already
    if (this.#lease === lease) this.#lease = undefined
    const held = await lease.end()
    // Where another process has taken its place, that has counted it.
    await this.#swapAsHolder(held, { count: held.state.count + 1 })
  }

  async #swapIn(previous: Held<DeletionState> | undefined): Promise<Held<DeletionState>> {
    if (previous !== undefined) return this.#beat(previous)
    for (;;) {
      const { state, version } = await this.#whenFree()
      const held = { count: state.count, holder: randomUUID(), beat: 0 }
      const swapped = await this.#state.swap(held, version)
      if (swapped !== undefined) return { state: held, version: swapped }
    }
  }

  async #beat(held: Held<DeletionState>): Promise<Held<DeletionState>> {
    const { count, holder, beat = 0 } = held.state
    const state = { count, holder, beat: beat + 1 }
    const version = await this.#swapAsHolder(held, state)
    if (version === undefined) throw busy()
    return { state, version }
  }

  /** Also when others have noted meanwhile that they wait. Undefined when another has taken the holder's place. */
  async #swapAsHolder(
    { state, version }: Held<DeletionState>,
    next: DeletionState,
  ): Promise<FileVersion | undefined> {
    for (let expected = version; ; ) {
      const swapped = await this.#state.swap(next, expected)
      if (swapped !== undefined) return swapped
      const stored = await this.#state.get()
      if (stored === undefined || stored.state.holder !== state.holder) return undefined
      expected = stored.version
    }
  }

  /** The state once it has no holder, or the holder was silent for too long. */
  async #whenFree(): Promise<{ state: DeletionState; version: FileVersion | undefined }> {
    const deadline = performance.now() + this.#timing.patienceMs
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      const stored = await this.#state.get()
      const state = stored?.state ?? NONE
      if (stored === undefined || state.holder === undefined) return { state, version: stored?.version }
      const watchedMs = this.#silence.watchedMs(stored.version)
      const silentMs = (state.silentMs ?? 0) + watchedMs
      if (silentMs > this.#timing.leaseMs) {
        await this.#state.swap({ count: state.count + 1 }, stored.version)
        continue
      }
      if (watchedMs > this.#timing.leaseMs / NOTES) {
        await this.#state.swap({ ...state, silentMs }, stored.version)
        continue
      }
      if (performance.now() > deadline) throw busy()
      await delay(wait)
    }
  }
}

const NONE: DeletionState = { count: 0 }

/** Something else than a state has no holder, and a count that nobody has seen before. */
function parse(found: unknown): DeletionState {
  const { count, holder, beat, silentMs } = Object(found) as DeletionState
  return Number.isSafeInteger(count) ? { count, holder, beat, silentMs } : { count: Date.now() }
}

function busy(): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'manifests of this repository are being deleted' })
}
