import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import { LRUCache } from 'lru-cache'

/** What is known of a blob: enough to copy it or to append to it on the condition that it is still the same. */
export type BlobState = Pick<
  BlobGetPropertiesResponse,
  'blobType' | 'contentLength' | 'etag' | 'blobCommittedBlockCount'
>

const MAX_BLOBS = 2_000

/** How the append blobs stand that this process wrote to last, by their names, so that whoever goes on with one need not
 *  ask. Somebody else may have written since: nothing is done on the word of this alone, but on the condition that the
 *  blob's ETag is the one that is known here. */
export class WrittenBlobs {
  readonly #states = new LRUCache<string, BlobState>({ max: MAX_BLOBS })

  get(name: string): BlobState | undefined {
    return this.#states.get(name)
  }

  set(name: string, state: BlobState): void {
    this.#states.set(name, state)
  }

  forget(name: string): void {
    this.#states.delete(name)
  }
}
