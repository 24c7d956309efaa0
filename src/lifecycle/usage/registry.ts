import { DecoratedRepositories, ForwardingRepository } from '../../core/forwarding-registry.ts'
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
export class UsageRegistry extends DecoratedRepositories {
  readonly #parts: UsageParts

  constructor(registry: Registry, parts: UsageParts) {
    super(registry)
    this.#parts = parts
  }

  /** The repository itself if it mirrors another one: what is in a cache is nobody's. */
  protected override decorate(inner: Repository): Repository {
    if (inner.mirrored !== undefined) return inner
    const { ledger, quotas } = this.#parts
    return new CountedRepository(inner, new Account(inner.name, { ledger, limits: quotas.of(inner.name) }))
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
