import type { RepositoryName } from '../core/reference.ts'
import type { Repository } from '../core/registry.ts'
import { LinkedBlobs } from './blobs/blob-service.ts'
import { REPOSITORY_MARKS } from './catalog/catalog.ts'
import { metadataDirectories } from './catalog/repository-directory.ts'
import { type RegistryContext, type RepositoryContext, repositoryContext } from './context.ts'
import { JwsSignatures } from './manifests/jws-signatures.ts'
import { LinkedManifests } from './manifests/manifest-service.ts'
import { SignatureIndex } from './manifests/signature-index.ts'
import { ReferrerBackfill } from './referrers/backfill.ts'
import { ReferrerDescriptors } from './referrers/descriptors.ts'
import { FallbackTags } from './referrers/fallback-tag.ts'
import { ReferrerLinks } from './referrers/links.ts'
import { Referrers } from './referrers/referrers.ts'
import { LinkedTags } from './tags/tag-service.ts'

/** The services of one repository, over one context. */
export class StoredRepository implements Repository {
  readonly name: RepositoryName
  readonly blobs: LinkedBlobs
  readonly manifests: LinkedManifests
  readonly tags: LinkedTags
  readonly mirrored = undefined
  readonly #context: RepositoryContext
  readonly #jws: JwsSignatures
  #referrers: Referrers | undefined
  #signatures: SignatureIndex | undefined

  constructor(name: RepositoryName, registry: RegistryContext) {
    const context = repositoryContext(name, registry)
    this.name = name
    this.#context = context
    this.#jws = new JwsSignatures(context)
    this.tags = new LinkedTags(context)
    this.blobs = new LinkedBlobs(context)
    this.manifests = new LinkedManifests(context, {
      blobs: this.blobs,
      tags: this.tags,
      signatures: this.#jws,
      referrers: () => this.#listOfReferrers(),
    })
  }

  async exists(): Promise<boolean> {
    for await (const kept of metadataDirectories(this.#context.storage, this.name)) {
      if (REPOSITORY_MARKS.some((mark) => mark === kept)) return true
    }
    return false
  }

  /** Created on demand: few requests need it. */
  get signatures(): SignatureIndex {
    const { manifests, tags } = this
    this.#signatures ??= new SignatureIndex(this.#context, { jws: this.#jws, manifests, tags })
    return this.#signatures
  }

  #listOfReferrers(): Referrers {
    this.#referrers ??= referrersOf(this.#context)
    return this.#referrers
  }
}

function referrersOf(context: RepositoryContext): Referrers {
  const links = new ReferrerLinks(context)
  return new Referrers({
    links,
    descriptors: new ReferrerDescriptors(context, links),
    backfill: new ReferrerBackfill(context, links),
    fallbackTags: new FallbackTags(context, links),
  })
}
