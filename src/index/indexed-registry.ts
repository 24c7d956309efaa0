import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import {
  DecoratedRepositories,
  ForwardingManifests,
  ForwardingRepository,
  ForwardingTags,
} from '../core/forwarding-registry.ts'
import type { Manifest } from '../core/manifest/manifest.ts'
import type { RepositoryName, Tag } from '../core/reference.ts'
import type {
  DeleteManifestOptions,
  ManifestService,
  Page,
  PutManifestOptions,
  Registry,
  Repository,
  TagOptions,
  TagService,
  UntagOptions,
} from '../core/registry.ts'

/** Notes a change. Never waits or throws.
 *  @param tags those that may have changed; empty if only a manifest was pushed */
export type ChangeObserver = (repository: RepositoryName, tags: readonly Tag[] | 'anything') => void

/** Notes changes once they are acknowledged, and that there are requests. Reading goes through untouched. */
export class IndexedRegistry extends DecoratedRepositories {
  readonly #changed: ChangeObserver
  readonly #requested: () => void

  constructor(registry: Registry, changed: ChangeObserver, requested: () => void = () => {}) {
    super(registry)
    this.#changed = changed
    this.#requested = requested
  }

  override repository(name: RepositoryName): Repository {
    this.#requested()
    return super.repository(name)
  }

  override repositories(page?: Page): AsyncIterable<RepositoryName> {
    this.#requested()
    return super.repositories(page)
  }

  protected override decorate(inner: Repository): Repository {
    return new IndexedRepository(inner, this.#changed)
  }
}

class IndexedRepository extends ForwardingRepository {
  readonly #manifests: ManifestService
  readonly #tags: TagService

  constructor(inner: Repository, changed: ChangeObserver) {
    super(inner)
    this.#manifests = new IndexedManifests(inner, changed)
    this.#tags = new IndexedTags(inner, changed)
  }

  override get manifests(): ManifestService {
    return this.#manifests
  }

  override get tags(): TagService {
    return this.#tags
  }
}

class IndexedManifests extends ForwardingManifests {
  readonly #repository: RepositoryName
  readonly #changed: ChangeObserver

  constructor({ manifests, name }: Repository, changed: ChangeObserver) {
    super(manifests)
    this.#repository = name
    this.#changed = changed
  }

  /** A manifest without a tag changes the index only if it is the first of its repository. */
  override async put(
    manifest: Manifest,
    digest?: Digest,
    options: PutManifestOptions = {},
  ): Promise<Descriptor> {
    const stored = await super.put(manifest, digest, options)
    if ((options.tags?.length ?? 0) === 0) this.#changed(this.#repository, [])
    return stored
  }

  override async delete(digest: Digest, options?: DeleteManifestOptions): Promise<readonly Tag[]> {
    let removed: readonly Tag[] | 'anything' = 'anything'
    try {
      removed = await super.delete(digest, options)
      return removed
    } finally {
      this.#changed(this.#repository, removed)
    }
  }
}

class IndexedTags extends ForwardingTags {
  readonly #repository: RepositoryName
  readonly #changed: ChangeObserver

  constructor({ tags, name }: Repository, changed: ChangeObserver) {
    super(tags)
    this.#repository = name
    this.#changed = changed
  }

  override async tag(tag: Tag, descriptor: Descriptor, options?: TagOptions): Promise<void> {
    try {
      await super.tag(tag, descriptor, options)
    } finally {
      this.#changed(this.#repository, [tag])
    }
  }

  override async untag(tag: Tag, options?: UntagOptions): Promise<void> {
    try {
      await super.untag(tag, options)
    } finally {
      this.#changed(this.#repository, [tag])
    }
  }
}
