import { setTimeout as delay } from 'node:timers/promises'
import { CollectionFiles } from '../../core/collection/collection-files.ts'
import {
  abandoned,
  type CollectionState,
  collectionState,
  isBeingDeleted,
  LEASE_MS,
  NO_COLLECTION_YET,
  TRUSTED_MS,
} from '../../core/collection/collection-state.ts'
import { SilenceWatch } from '../../core/coordination/lease.ts'
import type { SharedState } from '../../core/coordination/shared-state.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

export interface GuardTiming {
  /** How old a state may be that a push of a blob goes by, in milliseconds. */
  readonly trustedMs: number
  /** How long a push waits for a batch to be deleted, in milliseconds. */
  readonly patienceMs: number
  /** After so long without a beat a collector counts as gone, in milliseconds. Default: a minute. */
  readonly leaseMs?: number
}

const TIMING: GuardTiming = { trustedMs: TRUSTED_MS, patienceMs: 5_000 }

/** How often a process that keeps a cache of its own looks at the state: so often that it knows what is condemned before any of it is
 *  deleted. */
const WATCH_MS = 4_000

const FIRST_WAIT_MS = 20
const LONGEST_WAIT_MS = 500

/** How many batches of deletions had come to an end when something was learned; undefined if that is not known. */
export type CollectionMark = number | undefined

export interface Confirmation {
  /** The mark when the first of the facts was learned, or before. */
  readonly since: CollectionMark
  /** Looks at storage whether everything is there, and throws if not. Called if something may have been deleted since. */
  readonly look: () => Promise<void>
}

interface KnownState {
  readonly state: CollectionState
  readonly version: FileVersion | undefined
  readonly askedAt: number
}

/** A push's part in garbage collection: what it acknowledges is not deleted by any collector. See docs/garbage-collection.md.
 *
 *  The order is the safety: first what keeps the content is made durable (a manifest's revision, or a blob's link), then the state of
 *  the collection is read. Whoever reads it before the lists are written is seen by the collector, which looks again afterwards. */
export class CollectionGuard {
  readonly #storage: StorageDriver
  readonly #state: SharedState<CollectionState>
  readonly #files: CollectionFiles
  readonly #timing: GuardTiming
  #watch: NodeJS.Timeout | undefined
  #evicting: Promise<void> = Promise.resolve()
  #known: KnownState | undefined
  readonly #silence = new SilenceWatch()

  constructor(storage: StorageDriver, timing: GuardTiming = TIMING) {
    this.#storage = storage
    this.#state = collectionState(storage)
    this.#files = new CollectionFiles(storage)
    this.#timing = timing
  }

  /** To be taken before something is looked at that a push then relies on. */
  get mark(): CollectionMark {
    return this.#known?.state.deletions
  }

  /** From now on, blobs that are condemned or deleted are evicted from a cache of this process alone, soon after. */
  watch(evict: (digest: Digest) => Promise<void>, intervalMs = WATCH_MS): void {
    let seen: CollectionState | undefined
    const look = async () => {
      const state = await this.#read()
      const isOther =
        seen?.epoch !== state.epoch ||
        seen.deletions !== state.deletions ||
        seen.lists !== state.lists ||
        seen.removals !== state.removals
      seen = state
      if (isOther) await this.#files.forEachCondemned(state, evict)
      await this.#endIfAbandoned()
    }
    this.#watch = setInterval(() => {
      // What fails is tried again at the next time; a push looks at storage in any case.
      this.#evicting = this.#evicting.then(look).catch(() => undefined)
    }, intervalMs).unref()
  }

  async close(): Promise<void> {
    clearInterval(this.#watch)
    await this.#evicting
  }

  /** A client looks for a blob of its repository and may rely on it. Undefined if nothing is being collected, as far as is known.
   *  @throws RegistryError UNAVAILABLE while it is being deleted */
  noteInterest(digest: Digest): Promise<void> | undefined {
    const phase = this.#known?.state.phase
    const isCollecting = phase === 'condemned' || phase === 'sealed'
    return isCollecting ? this.protect([digest]) : undefined
  }

  /** Before a blob is stored or linked: then it is not deleted any more, if it is condemned.
   *  @throws RegistryError UNAVAILABLE while it is being deleted */
  async protect(digests: readonly Digest[]): Promise<void> {
    await this.#settle(digests, () => this.#recent())
  }

  /** After a link to a blob is durable. The state may be some seconds old: a collector waits for longer than that before it looks
   *  for links again.
   *  @throws RegistryError UNAVAILABLE; what `look` throws */
  async confirmBlob(digest: Digest, confirmation: Confirmation): Promise<void> {
    await this.#confirm([digest], confirmation, () => this.#recent())
  }

  /** After a manifest's revision is durable: the manifest itself and all that it refers to.
   *  @returns true if manifests may be removed from the repository, or may have been since: its deletions must be asked as well
   *  @throws RegistryError UNAVAILABLE; what `look` throws */
  async confirmManifest(
    repository: RepositoryName,
    { digests, ...confirmation }: Confirmation & { digests: readonly Digest[] },
  ): Promise<boolean> {
    const { removing, deletions } = await this.#confirm(digests, confirmation, () => this.#read())
    return removing === repository || deletions !== confirmation.since
  }

  async #confirm(
    digests: readonly Digest[],
    { since, look }: Confirmation,
    first: () => Promise<CollectionState>,
  ): Promise<CollectionState> {
    const { state, isTouched } = await this.#settle(digests, first)
    if (isTouched || state.deletions !== since) await look()
    return state
  }

  /** Waits until none of them is being deleted, and pins those that are condemned.
   *  @returns whether any of them was */
  async #settle(
    digests: readonly Digest[],
    first: () => Promise<CollectionState>,
  ): Promise<{ state: CollectionState; isTouched: boolean }> {
    const deadline = performance.now() + this.#timing.patienceMs
    let state = await first()
    let pinnedIn: number | undefined
    let isTouched = false
    for (let wait = FIRST_WAIT_MS; ; state = await this.#read()) {
      if (state.phase === 'idle' || state.phase === 'mark') break
      const condemned = await this.#files.findCondemned(state, digests)
      if (condemned?.length === 0) break
      isTouched = true
      // Where the lists are gone, it is another state by now.
      if (condemned === undefined || condemned.some((digest) => isBeingDeleted(state, digest))) {
        if (performance.now() > deadline) throw beingDeleted()
        await this.#endIfAbandoned()
        await delay(wait)
        wait = Math.min(2 * wait, LONGEST_WAIT_MS)
        continue
      }
      if (pinnedIn === state.epoch) break
      const { epoch } = state
      await Promise.all(condemned.map((digest) => this.#files.pin(epoch, digest)))
      // Only a state that is read after the pins says that they were seen.
      pinnedIn = epoch
    }
    return { state, isTouched }
  }

  async #recent(): Promise<CollectionState> {
    const known = this.#known
    if (known !== undefined && performance.now() - known.askedAt <= this.#timing.trustedMs) return known.state
    return this.#read()
  }

  async #read(): Promise<CollectionState> {
    const askedAt = performance.now()
    const { state, version } = (await this.#state.get()) ?? { state: NO_COLLECTION_YET, version: undefined }
    if (askedAt >= (this.#known?.askedAt ?? 0)) this.#known = { state, version, askedAt }
    return state
  }

  /** Brings a batch to its end whose collector is gone: the next one may come in a day. That one's deletions can't land any
   *  more once its fence is closed, and it changes the state no more. */
  async #endIfAbandoned(): Promise<void> {
    const { state, version } = this.#known ?? {}
    if (state?.phase !== 'sealed' || version === undefined) return
    if (this.#silence.watchedMs(version) <= (this.#timing.leaseMs ?? LEASE_MS)) return
    if (state.fence !== undefined) await this.#storage.closeFence(state.fence)
    await this.#state.swap(abandoned(state), version)
  }
}

function beingDeleted(): RegistryError {
  return new RegistryError('UNAVAILABLE', { message: 'what is pushed is being deleted; try again' })
}
