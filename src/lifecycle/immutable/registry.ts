import { LRUCache } from 'lru-cache'
import type { LockTiming } from '../../core/coordination/shared-lock.ts'
import { ForwardingRegistry, ForwardingRepository } from '../../core/forwarding-registry.ts'
import type { RepositoryName } from '../../core/reference.ts'
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

const MAX_KNOWN_REPOSITORIES = 1_000

/** A registry in which a tag that a rule names keeps naming the manifest that it named first. Of pushes at the same
 *  time, in any processes, one wins: see docs/decisions/022-immutable-tags.md. */
export class ImmutableTagsRegistry extends ForwardingRegistry {
  readonly #rules: ImmutableRules
  readonly #locks: TagLocks
  readonly #rulesOf = new LRUCache<RepositoryName, { readonly rules: TagRules | undefined }>({
    max: MAX_KNOWN_REPOSITORIES,
  })
  readonly #decorated = new WeakMap<Repository, Repository>()

  constructor(registry: Registry, { rules, storage, timing = TIMING }: ImmutableTagsOptions) {
    super(registry)
    this.#rules = new ImmutableRules(rules)
    this.#locks = { storage, timing }
  }

  /** The repository itself if no rule names it. */
  override repository(name: RepositoryName): Repository {
    const inner = super.repository(name)
    const rules = this.#knownRules(name)
    if (rules === undefined) return inner
    const known = this.#decorated.get(inner)
    if (known !== undefined) return known
    const decorated = new ImmutableTagsRepository(inner, { rules, locks: this.#locks })
    this.#decorated.set(inner, decorated)
    return decorated
  }

  #knownRules(name: RepositoryName): TagRules | undefined {
    const known = this.#rulesOf.get(name)
    if (known !== undefined) return known.rules
    const rules = this.#rules.of(name)
    this.#rulesOf.set(name, { rules })
    return rules
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
