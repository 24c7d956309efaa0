import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { RepositoryName } from './reference.ts'

/** A blob of a repository: what it was asked for by, and what it is stored under. Both never change. */
export interface StoredBlob {
  readonly descriptor: Descriptor
  readonly canonical: Digest
}

/** The layer info cache: remembers which blobs a repository has, so that storage is asked once. It remembers only what
 *  storage said was there; what is absent is asked for every time. */
export interface DescriptorCache {
  /** What is remembered, or what `look` finds in storage. What was evicted while `look` ran is not remembered. */
  find(
    repository: RepositoryName,
    digest: Digest,
    look: () => Promise<StoredBlob | undefined>,
  ): Promise<StoredBlob | undefined>
  /** Forgets a blob by all the names it has. Called when storage has been changed, never before. */
  evict(repository: RepositoryName, names: readonly Digest[]): Promise<void>
}

/** Remembers nothing. */
export const NO_CACHE: DescriptorCache = {
  find: (_repository, _digest, look) => look(),
  evict: async () => {},
}
