import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Lease, type LeaseTiming, SilenceWatch } from '../../core/coordination/lease.ts'
import { type Held, SharedState } from '../../core/coordination/shared-state.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Fence, FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import {
  condemn,
  condemnedName,
  type DeletionState,
  ended,
  NO_DELETION_YET,
  parseDeletionState,
  spare,
} from './deletion-state.ts'

export interface DeletionsParts {
  readonly storage: StorageDriver
  /** Path of the state. */
  readonly path: string
  readonly timing?: DeletionsTiming | undefined
}

export interface DeletionsTiming extends LeaseTiming {
  /** Time limit for waiting. */
  readonly patienceMs: number
}

const TIMING: DeletionsTiming = { leaseMs: 20_000, beatMs: 3_000, patienceMs: 5_000 }

/** Records of waiting within a lease: fewer than heartbeats. */
const NOTES = 5

const FIRST_WAIT_MS = 5
const LONGEST_WAIT_MS = 200

/** How many manifests are remembered however old they are: to tag one that is forgotten costs two small reads. */
const MAX_STOOD = 100
/** Younger ones are remembered however many they are: while a push goes on, the children of its index must be known. In milliseconds. */
const PUSH_MS = 120_000

/** When a manifest was last known to exist. */
export interface Standing {
  /** Undefined if it is not known. */
  readonly mark: number | undefined
  /** Names of other manifests that it must not be without. */
  readonly children: readonly Digest[]
}

/** True if a manifest is still condemned. */
export type IsCondemned = (canonical: Digest) => boolean

/** Checked by a deletion before each removal.
 *  @throws RegistryError UNAVAILABLE if another process may have taken over */
export type RequireHeld = () => void

/** Keeps deleting and tagging of manifests apart, in all processes that share the storage. A deletion records
 *  its start and end; a tagging checks afterwards, with one small read, that no deletion has run meanwhile.
 *
 *  Clocks of different machines are never compared: a holder counts as dead if its heartbeat has not grown
 *  for a lease, on the clocks of the waiting processes one after the other. */
export class Deletions {
  readonly #storage: StorageDriver
  readonly #state: SharedState<DeletionState>
  readonly #timing: DeletionsTiming
  /** The last count that this process saw without a holder. */
  #count: number | undefined
  /** When manifests were last known to exist. */
  readonly #stood = new Map<Digest, Standing & { readonly notedAt: number }>()
  readonly #silence = new SilenceWatch()
  #lease: Lease<DeletionState> | undefined

  constructor({ storage, path, timing = TIMING }: DeletionsParts) {
    this.#storage = storage
    this.#state = new SharedState({ storage, path, parse: parseDeletionState })
    this.#timing = timing
  }

  /** The present mark, for `hasDeletedSince`. */
  get mark(): number | undefined {
    return this.#count
  }

  /** Records that a manifest and its children existed, and that nothing was deleted after the mark until then. */
  stood(canonical: Digest, mark: number | undefined, children: readonly Digest[] = []): void {
    if (mark === undefined && children.length === 0) return
    const now = performance.now()
    this.#stood.delete(canonical)
    this.#stood.set(canonical, { mark, children, notedAt: now }) // as the youngest
    for (const [oldest, { notedAt }] of this.#stood) {
      if (this.#stood.size <= MAX_STOOD || now - notedAt < PUSH_MS) break
      this.#stood.delete(oldest)
    }
  }

  /** When the manifest was last known to exist. */
  standingOf(canonical: Digest): Standing | undefined {
    return this.#stood.get(canonical)
  }

  /** Waits until no deletion is running, and takes manifests that are needed off a collector's list.
   *  @param needed digests of what is durable by now, or is referred to by it
   *  @returns true if a deletion has run, or may have, since the mark was taken
   *  @throws RegistryError UNAVAILABLE if one is still running after a while */
  async hasDeletedSince(mark: number | undefined, needed: readonly Digest[] = []): Promise<boolean> {
    const state = await this.#whenSpared(needed)
    this.#count = state.count
    return state.count !== 0 && state.count !== mark
  }

  /** Runs work that removes manifests, while no other process does so in this repository.
   *  @throws RegistryError UNAVAILABLE if it can't begin, or was taken for dead meanwhile */
  async during<Result>(work: (requireHeld: RequireHeld) => Promise<Result>): Promise<Result> {
    const lease = await this.#join()
    try {
      const result = await work(() => {
        if (!lease.isHeld) throw busy()
      })
      await this.#leave(lease)
      return result
    } catch (error) {
      // If this fails too, the others wait for the lease to end. The first error is the one to report.
      await this.#leave(lease).catch(() => undefined)
      throw error
    }
  }

  /** Lists the manifests that a collector means to remove, in the place of an earlier list.
   *  @param requireTenure throws if another collector has taken over. Called between reading the state and
   *    changing it, so that no change follows a successor's `release`
   *  @returns the name for `duringRemoval`
   *  @throws RegistryError UNAVAILABLE */
  async condemn(digests: readonly Digest[], requireTenure: () => Promise<void>): Promise<string> {
    const condemned = condemn(digests)
    for (;;) {
      const { state, version } = await this.#whenFree()
      await requireTenure()
      const swapped = await this.#state.swap({ count: state.count, condemned }, version)
      if (swapped !== undefined) return condemned.by
    }
  }

  /** Removes the list. Changes the state in any case, so that a process that has read it before can't.
   *  @throws RegistryError UNAVAILABLE */
  async release(): Promise<void> {
    for (;;) {
      const { state, version } = await this.#whenFree()
      if ((await this.#state.swap({ count: state.count }, version)) !== undefined) return
    }
  }

  /** Removes condemned manifests. Pushes wait meanwhile, so the list is not shortened. The fence is closed
   *  before they continue, also by a process that takes over: so whoever removes need not look at its lease.
   *  @throws RegistryError UNAVAILABLE if it can't begin, or another collector has condemned since */
  async duringRemoval<Result>(
    { by, fence }: { by: string; fence: Fence },
    work: (isCondemned: IsCondemned) => Promise<Result>,
  ): Promise<Result> {
    const lease = new Lease<DeletionState>(this.#timing, (previous) =>
      previous === undefined ? this.#seal({ by, fence }) : this.#beat(previous),
    )
    try {
      await lease.begun
      const { condemned } = await lease.change(async (held) => held)
      const names = new Set(condemned?.manifests)
      return await work((canonical) => names.has(condemnedName(canonical)))
    } finally {
      // If that fails, the state keeps its holder: a process that takes over closes the fence first.
      await this.#storage.closeFence(fence).finally(() => lease.end())
      const held = await lease.end().catch(() => undefined)
      if (held !== undefined) await this.#swapAsHolder(held, ended(held.state))
    }
  }

  /** Deletions of one process share a lease: they don't interfere with each other. */
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
    // A process that has taken over has counted it already.
    await this.#swapAsHolder(held, ended(held.state))
  }

  async #swapIn(previous: Held<DeletionState> | undefined): Promise<Held<DeletionState>> {
    if (previous !== undefined) return this.#beat(previous)
    for (;;) {
      const { state, version } = await this.#whenFree()
      const held = { ...state, holder: randomUUID(), beat: 0 }
      const swapped = await this.#state.swap(held, version)
      if (swapped !== undefined) return { state: held, version: swapped }
    }
  }

  async #seal({ by, fence }: { by: string; fence: Fence }): Promise<Held<DeletionState>> {
    for (;;) {
      const { state, version } = await this.#whenFree()
      if (state.condemned?.by !== by) throw busy()
      const held = { ...state, holder: randomUUID(), beat: 0, fence }
      const swapped = await this.#state.swap(held, version)
      if (swapped !== undefined) return { state: held, version: swapped }
    }
  }

  async #beat(held: Held<DeletionState>): Promise<Held<DeletionState>> {
    const state = { ...held.state, silentMs: undefined, beat: (held.state.beat ?? 0) + 1 }
    const version = await this.#swapAsHolder(held, state)
    if (version === undefined) throw busy()
    return { state, version }
  }

  /** Retries if waiting processes have changed the state. Undefined if another process has taken over. */
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

  /** The state once it has no holder, and none of these are condemned by it. */
  async #whenSpared(needed: readonly Digest[]): Promise<DeletionState> {
    for (;;) {
      const { state, version } = await this.#whenFree()
      const spared = spare(state, needed)
      if (spared === undefined) return state
      if ((await this.#state.swap(spared, version)) !== undefined) return spared
    }
  }

  /** The state once it has no holder, or the holder was silent for too long. */
  async #whenFree(): Promise<{ state: DeletionState; version: FileVersion | undefined }> {
    const deadline = performance.now() + this.#timing.patienceMs
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      const stored = await this.#state.get()
      const state = stored?.state ?? NO_DELETION_YET
      if (stored === undefined || state.holder === undefined) return { state, version: stored?.version }
      const watchedMs = this.#silence.watchedMs(stored.version)
      const silentMs = (state.silentMs ?? 0) + watchedMs
      if (silentMs > this.#timing.leaseMs) {
        if (state.fence !== undefined) await this.#storage.closeFence(state.fence)
        await this.#state.swap(ended(state), stored.version)
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

function busy(): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'manifests of this repository are being deleted' })
}
