import type { Collectable } from '../../core/collection/collectable.ts'
import type { CollectionFiles, CondemnedBlob } from '../../core/collection/collection-files.ts'
import type { CollectionState } from '../../core/collection/collection-state.ts'
import { hexOf } from '../../core/digest.ts'
import { FENCE_LIFETIME_MS } from '../../core/storage-driver.ts'
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

  constructor(parts: BlobSweepParts) {
    this.#parts = parts
  }

  /** @param blobs in order of the digests */
  async *steps(blobs: AsyncIterable<CondemnedBlob>): AsyncGenerator<DeletionStep> {
    let batch: CondemnedBlob[] = []
    const { batchSize = BATCH_SIZE, signal } = this.#parts
    for await (const blob of blobs) {
      batch.push(blob)
      if (batch.length < batchSize) continue
      signal?.throwIfAborted()
      yield* this.#deletion(batch)
      batch = []
    }
    if (batch.length > 0) yield* this.#deletion(batch)
  }

  async *#deletion(batch: readonly CondemnedBlob[]): AsyncGenerator<DeletionStep> {
    const { tenure } = this.#parts
    let failure: unknown
    let deleted: readonly CondemnedBlob[] | undefined = tenure === undefined ? batch : undefined
    const run = async () => {
      if (tenure === undefined) throw new Error('these steps are those of a dry run')
      try {
        deleted = await this.#sweep(batch, tenure)
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
    let doomed: readonly CondemnedBlob[] = []
    try {
      await tenure.change((state) => ({ ...state, phase: 'sealed', fence, batch: range }))
      const pins = await files.pins(tenure.state.epoch, range)
      doomed = candidates.filter(({ digest }) => !pins.has(hexOf(digest)))
      const paths = doomed.map(({ digest }) => content.pathOf(digest))
      await storage.deleteFenced(paths, fence)
    } finally {
      await storage.closeFence(fence)
      if (tenure.state.phase === 'sealed') await tenure.change(unsealed)
    }
    await content.evict(doomed.map(({ digest }) => digest))
    return doomed
  }
}

function unsealed({ fence: _fence, batch: _batch, deletions, ...state }: CollectionState): CollectionState {
  return { ...state, phase: 'condemned', deletions: deletions + 1 }
}
