import type { DescriptorCache } from '../core/descriptor-cache.ts'
import type { Log } from '../core/log.ts'
import type { ManifestPolicy } from '../core/manifest/policy.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Repository } from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blobs/blob-pool.ts'
import { type BlobServiceParts, LinkedBlobs } from './blobs/blob-service.ts'
import { REPOSITORY_MARKS } from './catalog/catalog.ts'
import { metadataDirectories } from './catalog/repository-directory.ts'
import { LinkSet, type Links } from './links/links.ts'
import { Deletions } from './manifests/deletions.ts'
import { JwsSignatures } from './manifests/jws-signatures.ts'
import { LinkedManifests } from './manifests/manifest-service.ts'
import { SignatureIndex } from './manifests/signature-index.ts'
import { RepositoryPaths } from './paths.ts'
import { type Backfills, ReferrerBackfill } from './referrers/backfill.ts'
import { ReferrerDescriptors } from './referrers/descriptors.ts'
import { type FallbackMemory, FallbackTags } from './referrers/fallback-tag.ts'
import { ReferrerLinks } from './referrers/links.ts'
import type { ReferrerMemory } from './referrers/memory.ts'
import type { SmallFiles } from './referrers/overlay.ts'
import { Referrers } from './referrers/referrers.ts'
import type { TagDigestCache } from './tags/tag-digest-cache.ts'
import { LinkedTags } from './tags/tag-service.ts'
import type { UploadSessions } from './uploads/upload-sessions.ts'

/** What all repositories of a registry share. */
export interface SharedParts {
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly links: Links
  /** What the registry keeps beside Distribution's layout. Where nothing may be written it is kept in memory. */
  readonly own: SmallFiles
  readonly ownLinks: Links
  readonly sessions: UploadSessions
  readonly cache: DescriptorCache
  readonly tagNames: TagDigestCache
  readonly policy: ManifestPolicy
  readonly backfills: Backfills
  readonly fallbackMemory: FallbackMemory
  readonly referrerMemory: ReferrerMemory
  /** Nothing may be written, whatever is asked for. */
  readonly readOnly: boolean
  readonly log: Log
  readonly findElsewhere: BlobServiceParts['findElsewhere']
}

export class StoredRepository implements Repository {
  readonly name: RepositoryName
  readonly blobs: LinkedBlobs
  readonly manifests: LinkedManifests
  readonly tags: LinkedTags
  readonly #shared: SharedParts
  readonly #paths: RepositoryPaths
  readonly #revisions: LinkSet
  readonly #linkedSignatures: JwsSignatures
  #referrers: Referrers | undefined
  #signatures: SignatureIndex | undefined

  constructor(name: RepositoryName, shared: SharedParts) {
    const paths = new RepositoryPaths(name)
    const layers = new LinkSet(paths.layers, shared)
    const revisions = new LinkSet(paths.revisions, shared)
    this.name = name
    const deletions = new Deletions({ storage: shared.storage, path: paths.deletions })
    const names = shared.tagNames
    this.tags = new LinkedTags({ ...shared, repository: name, paths, revisions, names, deletions })
    this.#linkedSignatures = new JwsSignatures({ ...shared, paths, revisions })
    this.blobs = new LinkedBlobs({ ...shared, repository: name, paths, layers })
    this.manifests = new LinkedManifests({
      ...shared,
      repository: name,
      blobs: this.blobs,
      layers,
      revisions,
      tags: this.tags,
      deletions,
      referrers: () => this.#listOfReferrers(),
      signatures: this.#linkedSignatures,
    })
    this.#shared = shared
    this.#paths = paths
    this.#revisions = revisions
  }

  async exists(): Promise<boolean> {
    for await (const kept of metadataDirectories(this.#shared.storage, this.name)) {
      if (REPOSITORY_MARKS.some((mark) => mark === kept)) return true
    }
    return false
  }

  /** Made when it is asked for: few requests do. */
  get signatures(): SignatureIndex {
    this.#signatures ??= new SignatureIndex({
      ...this.#shared,
      revisions: this.#revisions,
      linked: this.#linkedSignatures,
      manifests: this.manifests,
      tags: this.tags,
    })
    return this.#signatures
  }

  #listOfReferrers(): Referrers {
    this.#referrers ??= referrersOf(this.name, this.#parts)
    return this.#referrers
  }

  get #parts(): RepositoryParts {
    return { ...this.#shared, paths: this.#paths, revisions: this.#revisions }
  }
}

interface RepositoryParts extends SharedParts {
  readonly paths: RepositoryPaths
  readonly revisions: LinkSet
}

function referrersOf(repository: RepositoryName, parts: RepositoryParts): Referrers {
  const links = new ReferrerLinks(parts)
  return new Referrers({
    links,
    descriptors: new ReferrerDescriptors({ ...parts, links, memory: parts.referrerMemory }),
    backfill: new ReferrerBackfill({ ...parts, repository, referrers: links }),
    fallbackTags: new FallbackTags({ ...parts, referrers: links, memory: parts.fallbackMemory }),
  })
}
