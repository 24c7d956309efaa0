import { ForwardingRegistry, ForwardingRepository } from '../../core/forwarding-registry.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobService, ManifestService, Registry, Repository, TagService } from '../../core/registry.ts'
import { Account } from './account.ts'
import { CountedBlobs } from './blobs.ts'
import type { UsageLedger } from './ledger.ts'
import { CountedManifests } from './manifests.ts'
import type { QuotaRules } from './quotas.ts'
import { CountedTags } from './tags.ts'

export interface UsageParts {
  readonly ledger: UsageLedger
  readonly quotas: QuotaRules
}

/** A registry that counts what is pushed and deleted, and refuses what exceeds a quota: see docs/decisions/031-quotas-and-usage.md.
 *  Reading goes through untouched. */
export class UsageRegistry extends ForwardingRegistry {
  readonly #parts: UsageParts
  readonly #decorated = new WeakMap<Repository, Repository>()

  constructor(registry: Registry, parts: UsageParts) {
    super(registry)
    this.#parts = parts
  }

  /** The repository itself if it mirrors another one: what is in a cache is nobody's. */
  override repository(name: RepositoryName): Repository {
    const inner = super.repository(name)
    if (inner.mirrored !== undefined) return inner
    const known = this.#decorated.get(inner)
    if (known !== undefined) return known
    const { ledger, quotas } = this.#parts
    const decorated = new CountedRepository(inner, new Account(name, { ledger, limits: quotas.of(name) }))
    this.#decorated.set(inner, decorated)
    return decorated
  }
}

class CountedRepository extends ForwardingRepository {
  readonly #blobs: BlobService
  readonly #manifests: ManifestService
  readonly #tags: TagService

  constructor(inner: Repository, account: Account) {
    super(inner)
    this.#blobs = new CountedBlobs(inner.blobs, account)
    this.#manifests = new CountedManifests(inner, account)
    this.#tags = new CountedTags(inner.tags, account)
  }

  override get blobs(): BlobService {
    return this.#blobs
  }

  override get manifests(): ManifestService {
    return this.#manifests
  }

  override get tags(): TagService {
    return this.#tags
  }
}
