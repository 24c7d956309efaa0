import type {
  Collectable,
  Holding,
  HoldingsOptions,
  ManifestReferences,
  PooledBlob,
  PoolOptions,
} from '../../core/collection/collectable.ts'
import type { Condemnation, CondemnOptions, RepositoryContent } from '../../core/collection/removable.ts'
import { algorithmOf, CANONICAL, type Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { type StoredDeletion, Trash } from './trash.ts'

/** The content of a registry, with what can be restored.
 *
 *  The trash is always read after the repositories: a deletion is recorded before it is done, so whatever is in neither was not
 *  deleted but restored, and that is a push, which looks after itself. */
export class RestorableContent implements Collectable {
  readonly storage: StorageDriver
  readonly #content: Collectable
  readonly #trash: Trash
  readonly #now: () => Promise<Date>

  /** @param options.now the time by the storage's clock */
  constructor(content: Collectable, { now }: { now: () => Promise<Date> }) {
    this.storage = content.storage
    this.#content = content
    this.#trash = new Trash(content.storage)
    this.#now = now
  }

  async *holdings(options?: HoldingsOptions): AsyncIterable<readonly Holding[]> {
    yield* this.#content.holdings(options)
    const now = await this.#now()
    for await (const deletions of this.#trash.all()) {
      const holdings = deletions.filter(({ until }) => until > now).flatMap(holdingsOf)
      if (holdings.length > 0) yield holdings
    }
  }

  /** The trash is read once: whoever removes something looks again at the repository by itself. */
  async *repositories(options?: {
    readonly after?: RepositoryName | undefined
  }): AsyncIterable<RepositoryContent> {
    const restorable = await this.#restorable()
    for await (const found of this.#content.repositories(options))
      yield { ...found, restorable: restorable.get(found.repository) }
  }

  async contentOf(repository: RepositoryName): Promise<RepositoryContent> {
    const found = await this.#content.contentOf(repository)
    return { ...found, restorable: (await this.#restorable(repository)).get(repository) }
  }

  references(repository: RepositoryName, manifest: Digest): Promise<ManifestReferences> {
    return this.#content.references(repository, manifest)
  }

  blobsOf(repository: RepositoryName): AsyncIterable<Digest> {
    return this.#content.blobsOf(repository)
  }

  condemn(repository: RepositoryName, options: CondemnOptions): Promise<Condemnation> {
    return this.#content.condemn(repository, options)
  }

  release(repository: RepositoryName): Promise<void> {
    return this.#content.release(repository)
  }

  pool(options?: PoolOptions): AsyncIterable<readonly PooledBlob[]> {
    return this.#content.pool(options)
  }

  pathOf(digest: Digest): string {
    return this.#content.pathOf(digest)
  }

  evict(digests: readonly Digest[]): Promise<void> {
    return this.#content.evict(digests)
  }

  /** By repository: canonical digests, and until when they can be restored. */
  async #restorable(of?: RepositoryName): Promise<Map<RepositoryName, Map<Digest, Date>>> {
    const now = await this.#now()
    const found = new Map<RepositoryName, Map<Digest, Date>>()
    for await (const deletions of this.#trash.all(of)) {
      for (const { repository, manifests, until } of deletions) {
        if (until <= now) continue
        const ofRepository = found.get(repository) ?? new Map<Digest, Date>()
        found.set(repository, ofRepository)
        for (const { digest } of manifests)
          if (until > (ofRepository.get(digest) ?? now)) ofRepository.set(digest, until)
      }
    }
    return found
  }
}

/** A manifest may refer to a blob by another algorithm, which only a link can tell; links are gone with their repository. */
function holdingsOf({ repository, manifests, links = [] }: StoredDeletion): Holding[] {
  return [
    ...manifests.map(({ digest }): Holding => ({ kind: 'manifest', repository, digest })),
    ...links
      .filter(([name]) => algorithmOf(name) !== CANONICAL)
      .map(([, digest]): Holding => ({ kind: 'signature', repository, digest })),
  ]
}
