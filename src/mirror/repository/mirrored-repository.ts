import type { Digest } from '../../core/digest.ts'
import { ForwardingRepository } from '../../core/forwarding-registry.ts'
import type { Tag } from '../../core/reference.ts'
import type { CacheStatus, MirroredContent } from '../../core/registry.ts'
import { type MirroredRepositoryContext, memoryKey } from './context.ts'
import { MirroredBlobs } from './mirrored-blobs.ts'
import { MirroredManifests } from './mirrored-manifests.ts'
import { MirroredTags } from './mirrored-tags.ts'

/** A repository that caches one of an upstream. It refuses pushes; cached content can be deleted. */
export class MirroredRepository extends ForwardingRepository implements MirroredContent {
  readonly #context: MirroredRepositoryContext
  readonly #blobs: MirroredBlobs
  readonly #manifests: MirroredManifests
  readonly #tags: MirroredTags

  constructor(context: MirroredRepositoryContext) {
    super(context.stored)
    this.#context = context
    this.#blobs = new MirroredBlobs(context)
    this.#manifests = new MirroredManifests(context)
    this.#tags = new MirroredTags(context, this.#manifests)
  }

  override get blobs(): MirroredBlobs {
    return this.#blobs
  }

  override get manifests(): MirroredManifests {
    return this.#manifests
  }

  override get tags(): MirroredTags {
    return this.#tags
  }

  override get mirrored(): MirroredContent {
    return this
  }

  /** How the last answer for this reference was found. A miss by digest is reported once. */
  statusOf(reference: Tag | Digest): CacheStatus | undefined {
    const { memory, name } = this.#context
    const key = memoryKey(name, reference)
    const status = memory.statuses.get(key)
    if (status === undefined) return { kind: 'hit', ageSeconds: undefined }
    if (reference.includes(':') && status.kind === 'miss') memory.statuses.delete(key)
    return status
  }
}
