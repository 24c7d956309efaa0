import type { Collectable } from '../../core/collection/collectable.ts'
import type { CondemnedBlob } from '../../core/collection/collection-files.ts'
import { Quarantine } from '../../core/collection/quarantine.ts'
import type { Digest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { Step } from '../runner.ts'
import type { Marks } from './mark.ts'
import type { Pace } from './pace.ts'

/** Puts a blob back into the pool. */
export interface RestorationStep extends Step {
  readonly restored: Digest
}

export interface CollectedBlobsParts {
  readonly content: Collectable
  readonly pace: Pace
  readonly signal?: AbortSignal | undefined
}

/** Copies made side by side. */
const CONCURRENCY = 16

/** Blobs that collections keep in quarantine for a while, because a registry that does not take part in garbage
 *  collection may still need them: see docs/garbage-collection.md. */
export class CollectedBlobs {
  readonly #parts: CollectedBlobsParts
  readonly #quarantine: Quarantine
  /** In a dry run nothing is put back, and a blob may be in quarantine more than once. */
  readonly #restored = new Set<Digest>()
  /** True once it is known that nothing is there, which saves listing it. */
  #isEmpty = false

  constructor(parts: CollectedBlobsParts) {
    this.#parts = parts
    this.#quarantine = new Quarantine(parts.content.storage)
  }

  /** Copies blobs of the pool into quarantine.
   *  @param at the storage's clock
   *  @returns those that are there now: only they may be deleted */
  async keep(blobs: readonly CondemnedBlob[], at: Date): Promise<readonly CondemnedBlob[]> {
    const { content, pace } = this.#parts
    this.#isEmpty = false
    const kept: CondemnedBlob[] = []
    const work = async (blob: CondemnedBlob) => {
      const copy = this.#quarantine.pathOf(blob.digest, { at, reason: 'collected' })
      try {
        await pace.during(() => content.storage.copy(content.pathOf(blob.digest), copy))
        return blob
      } catch (error) {
        if (isPathNotFound(error)) return undefined
        throw error
      }
    }
    for await (const blob of mapInOrder(blobs, { concurrency: CONCURRENCY, work }))
      if (blob !== undefined) kept.push(blob)
    return kept
  }

  /** A step for each blob that is marked, in quarantine, and missing in the pool. The copy in quarantine
   *  stays. A step that fails ends the collection: nothing may expire then. */
  async *restorations(marks: Pick<Marks, 'has'>): AsyncGenerator<RestorationStep> {
    const { content, pace, signal } = this.#parts
    if (this.#isEmpty) return
    this.#isEmpty = true
    for await (const page of this.#quarantine.collected()) {
      this.#isEmpty = false
      signal?.throwIfAborted()
      for (const { digest, path } of page) {
        if (!marks.has(digest) || this.#restored.has(digest)) continue
        if (await pace.during(() => this.#isStored(digest))) continue
        this.#restored.add(digest)
        let failure: unknown
        const run = async () => {
          try {
            await pace.during(() => content.storage.copy(path, content.pathOf(digest)))
          } catch (error) {
            failure = error
            throw error
          }
        }
        yield { intent: { action: 'restore a blob', digest }, run, restored: digest }
        if (failure !== undefined) throw failure
      }
    }
  }

  /** Removes what is in quarantine for long enough.
   *  @param now the storage's clock */
  async expire(now: Date): Promise<void> {
    if (!this.#isEmpty) await this.#quarantine.expire('collected', now)
  }

  async #isStored(digest: Digest): Promise<boolean> {
    const { content } = this.#parts
    try {
      await content.storage.stat(content.pathOf(digest))
      return true
    } catch (error) {
      if (isPathNotFound(error)) return false
      throw error
    }
  }
}
