import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import { atMost } from '../../lib/at-most.ts'

/** A tag of a repository and the content that it names. */
export interface TaggedManifest {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly canonical: Digest
}

/** The digests by which the manifests of recently used tags were pushed. Nearly always the canonical one;
 *  then the file of another name is not looked for. If another process has pushed the same manifest by
 *  another algorithm, the old digest is returned, which is valid too. */
export class TagDigestCache {
  readonly #names: LRUCache<string, Digest> | undefined

  /** Limits the cache.
   *  @param options.maxEntries 0 for none */
  constructor({ maxEntries }: { maxEntries: number }) {
    this.#names = maxEntries > 0 ? new LRUCache({ ...atMost(maxEntries), ttl: TIME_TO_LIVE_MS }) : undefined
  }

  get(content: TaggedManifest): Digest | undefined {
    return this.#names?.get(keyOf(content))
  }

  set(content: TaggedManifest, name: Digest): void {
    this.#names?.set(keyOf(content), name)
  }

  forget(content: TaggedManifest): void {
    this.#names?.delete(keyOf(content))
  }
}

const TIME_TO_LIVE_MS = 10 * 60_000

function keyOf({ repository, tag, canonical }: TaggedManifest): string {
  return `${repository}:${tag}@${canonical}`
}
