import { DecoratedRepositories, ForwardingRepository } from '../../core/forwarding-registry.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ManifestService, Page, Registry, Repository, TagService } from '../../core/registry.ts'
import type { EmptiedRepositories } from './emptied.ts'
import { RecordedManifests } from './manifests.ts'
import type { Recorder } from './recorder.ts'
import { RecordedTags } from './tags.ts'

export interface HistoryParts {
  readonly recorder: Recorder
  readonly emptied: EmptiedRepositories
}

/** A registry that records who sets, moves and removes which tag, and deletions so that they can be undone: see
 *  docs/decisions/029-history-and-undelete.md. Reading goes through untouched. */
export class HistoryRegistry extends DecoratedRepositories {
  readonly #parts: HistoryParts

  constructor(registry: Registry, parts: HistoryParts) {
    super(registry)
    this.#parts = parts
  }

  /** The repository itself if it mirrors another one: its tags follow those there. */
  protected override decorate(inner: Repository): Repository {
    return inner.mirrored === undefined ? new RecordedRepository(inner, this.#parts) : inner
  }

  /** Without those that were deleted as a whole. */
  override repositories(page?: Page): AsyncIterable<RepositoryName> {
    return this.#parts.emptied.without(super.repositories(page), (name) => this.registry.repository(name))
  }
}

class RecordedRepository extends ForwardingRepository {
  readonly #tags: TagService
  readonly #manifests: ManifestService
  readonly #emptied: EmptiedRepositories

  constructor(inner: Repository, { recorder, emptied }: HistoryParts) {
    super(inner)
    const tags = new RecordedTags(inner, recorder)
    this.#tags = tags
    this.#manifests = new RecordedManifests(inner, { tags, recorder })
    this.#emptied = emptied
  }

  override get tags(): TagService {
    return this.#tags
  }

  override get manifests(): ManifestService {
    return this.#manifests
  }

  override async exists(): Promise<boolean> {
    return (await super.exists()) && !(await this.#emptied.has(this.inner))
  }
}
