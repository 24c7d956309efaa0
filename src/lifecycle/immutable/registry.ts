import type { LockTiming } from '../../core/coordination/shared-lock.ts'
import { DecoratedRepositories, ForwardingRepository } from '../../core/forwarding-registry.ts'
import type { ManifestService, Registry, Repository, TagService } from '../../core/registry.ts'
import { ImmutableTagsManifests } from './manifests.ts'
import { type ImmutableRule, ImmutableRules, type TagRules } from './rules.ts'
import { ImmutableTags, type LockStorage, type TagLocks } from './tags.ts'

export interface ImmutableTagsOptions {
  readonly rules: readonly ImmutableRule[]
  /** The storage of the tags' locks. */
  readonly storage: LockStorage
  /** Default: seconds. */
  readonly timing?: LockTiming
}

const TIMING: LockTiming = { leaseMs: 10_000, beatMs: 2_000, patienceMs: 15_000, longestWaitMs: 200 }

/** A registry in which a tag that a rule names keeps naming the manifest that it named first. Of pushes at the same
 *  time, in any processes, one wins: see docs/decisions/022-immutable-tags.md. */
export class ImmutableTagsRegistry extends DecoratedRepositories {
  readonly #rules: ImmutableRules
  readonly #locks: TagLocks

  constructor(registry: Registry, { rules, storage, timing = TIMING }: ImmutableTagsOptions) {
    super(registry)
    this.#rules = new ImmutableRules(rules)
    this.#locks = { storage, timing }
  }

  /** The repository itself if no rule names it. */
  protected override decorate(inner: Repository): Repository {
    const rules = this.#rules.of(inner.name)
    return rules === undefined ? inner : new ImmutableTagsRepository(inner, { rules, locks: this.#locks })
  }
}

class ImmutableTagsRepository extends ForwardingRepository {
  readonly #tags: TagService
  readonly #manifests: ManifestService

  constructor(inner: Repository, parts: { rules: TagRules; locks: TagLocks }) {
    super(inner)
    const tags = new ImmutableTags(inner, parts)
    this.#tags = tags
    this.#manifests = new ImmutableTagsManifests(inner.manifests, { tags, rules: parts.rules })
  }

  override get tags(): TagService {
    return this.#tags
  }

  override get manifests(): ManifestService {
    return this.#manifests
  }
}
