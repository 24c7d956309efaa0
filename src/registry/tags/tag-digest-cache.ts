import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'

/** A tag of a repository while it names this content. */
export interface TaggedManifest {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly canonical: Digest
}

/** By which of its digests a tag's manifest was pushed, for the tags asked for last: nearly always the canonical one,
 *  and then a file need not be looked for that is nearly never there. Where another process has pushed the same
 *  manifest by another algorithm in the meantime, this one names it by the digest it knew: as right, and as unchanging. */
export class TagDigestCache {
  readonly #names: LRUCache<string, Digest> | undefined

  /** @param options.maxEntries 0 for none */
  constructor({ maxEntries }: { maxEntries: number }) {
    this.#names = maxEntries > 0 ? new LRUCache({ max: maxEntries, ttl: TIME_TO_LIVE_MS }) : undefined
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
