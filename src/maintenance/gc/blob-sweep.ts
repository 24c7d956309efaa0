import type { Collectable } from '../../core/collection/collectable.ts'
import type { CollectionFiles, CondemnedBlob } from '../../core/collection/collection-files.ts'
import type { CollectionState } from '../../core/collection/collection-state.ts'
import { hexOf } from '../../core/digest.ts'
import { FENCE_LIFETIME_MS, type Fence } from '../../core/storage-driver.ts'
import type { Step } from '../runner.ts'
import type { Pace } from './pace.ts'
import type { Tenure } from './tenure.ts'

/** Deletes a batch of blobs. */
export interface DeletionStep extends Step {
  readonly batch: readonly CondemnedBlob[]
  /** Those that were deleted, once it was carried out; in a dry run those that would be. */
  readonly deleted: () => readonly CondemnedBlob[]
}

export interface BlobSweepParts {
  readonly content: Collectable
  /** Undefined in a dry run. */
  readonly tenure: Tenure | undefined
  readonly files: CollectionFiles
  readonly pace: Pace
  /** How many blobs are deleted at a time. */
  readonly batchSize?: number | undefined
  /** How long a batch may take at most, in milliseconds. */
  readonly fenceMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Copies blobs before they are deleted. Only those that it returns are. Default: no copies. */
  readonly keep?: ((blobs: readonly CondemnedBlob[]) => Promise<readonly CondemnedBlob[]>) | undefined
}

const BATCH_SIZE = 1_000

/** Deletes condemned blobs, a batch at a time. */
export class BlobSweep {
  readonly #parts: BlobSweepParts
  #openFence: Fence | undefined

  constructor(parts: BlobSweepParts) {
    this.#parts = parts
  }

  /** @param blobs in order of the digests */
  async *steps(blobs: AsyncIterable<CondemnedBlob>): AsyncGenerator<DeletionStep> {
    let batch: CondemnedBlob[] = []
    const { batchSize = BATCH_SIZE, signal } = this.#parts
    try {
      for await (const blob of blobs) {
        if (batch.length === batchSize) {
          signal?.throwIfAborted()
          yield* this.#deletion(batch, { isLast: false })
          batch = []
        }
        batch.push(blob)
      }
      if (batch.length > 0) yield* this.#deletion(batch, { isLast: true })
    } finally {
      await this.#unseal()
    }
  }

  async *#deletion(
    batch: readonly CondemnedBlob[],
    { isLast }: { isLast: boolean },
  ): AsyncGenerator<DeletionStep> {
    const { tenure, keep, pace } = this.#parts
    let failure: unknown
    let deleted: readonly CondemnedBlob[] | undefined = tenure === undefined ? batch : undefined
    const run = async () => {
      if (tenure === undefined) throw new Error('these steps are those of a dry run')
      try {
        deleted = await this.#sweep(batch, tenure)
        // If the next batch follows at once, the same change of the state that begins it ends this one.
        const followsAtOnce = !isLast && keep === undefined && pace.intervalMs === 0
        if (!followsAtOnce) await this.#unseal()
      } catch (error) {
        failure = error
        throw error
      }
    }
    const bytes = batch.reduce((sum, { size }) => sum + size, 0)
    yield {
      intent: { action: 'delete blobs', blobs: batch.length, bytes },
      ...{ batch, run, deleted: () => deleted ?? [] },
    }
    if (deleted === undefined) throw failure ?? new Error('a step of the collection was left out')
  }

  /** The state says that the batch is being deleted as long as it may be. Who needs a blob of it and has said so before is heard; who
   *  comes later waits. */
  async #sweep(batch: readonly CondemnedBlob[], tenure: Tenure): Promise<readonly CondemnedBlob[]> {
    const { content, files, pace, fenceMs: lifetimeMs = FENCE_LIFETIME_MS, keep } = this.#parts
    const { storage } = content
    const candidates = keep === undefined ? batch : await keep(batch)
    const range = { first: hexOf(batch[0]!.digest), last: hexOf(batch.at(-1)!.digest) }
    await pace.take(batch.length)
    const fence = await storage.openFence({ lifetimeMs })
    this.#openFence = fence
    let doomed: readonly CondemnedBlob[] = []
    try {
      await tenure.change((state) => ({ ...unsealed(state), phase: 'sealed', fence, batch: range }))
      const pins = await files.pins(tenure.state.epoch, range)
      doomed = candidates.filter(({ digest }) => !pins.has(hexOf(digest)))
      const paths = doomed.map(({ digest }) => content.pathOf(digest))
      await storage.deleteFenced(paths, fence)
    } finally {
      await storage.closeFence(fence)
      this.#openFence = undefined
    }
    await content.evict(doomed.map(({ digest }) => digest))
    return doomed
  }

  /** Nothing of the last batch can be deleted any more. */
  async #unseal(): Promise<void> {
    const { tenure } = this.#parts
    if (tenure?.state.phase === 'sealed' && this.#openFence === undefined) await tenure.change(unsealed)
  }
}

/** Counts the batch that is being deleted, if there is one. */
function unsealed({ fence: _fence, batch: _batch, deletions, ...state }: CollectionState): CollectionState {
  const isSealed = state.phase === 'sealed'
  return { ...state, phase: 'condemned', deletions: isSealed ? deletions + 1 : deletions }
}
