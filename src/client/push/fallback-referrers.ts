import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { MediaType } from '../../core/media-type.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { referrersIn } from '../referrers.ts'
import type { PushClient } from './push-client.ts'

/** The lists of referrers of a registry that keeps none: an index under a tag made of the subject's digest,
 *  which clients write. OCI Distribution Specification 1.1, "Referrers Tag Schema". */
export class FallbackReferrers {
  readonly #client: PushClient
  readonly #repository: RepositoryName
  /** Changes of this process follow each other; the registry has no way to compare and swap. */
  #last: Promise<void> = Promise.resolve()

  constructor(client: PushClient, repository: RepositoryName) {
    this.#client = client
    this.#repository = repository
  }

  add(
    manifest: { readonly digest: Digest; readonly mediaType: string; readonly payload: Uint8Array },
    subject: Digest,
    signal?: AbortSignal,
  ): Promise<void> {
    const added = this.#last.then(() => this.#add(descriptorOf(manifest), subject, signal))
    this.#last = added.catch(() => {})
    return added
  }

  async #add(entry: ReferrerDescriptor, subject: Digest, signal: AbortSignal | undefined): Promise<void> {
    const tag = subject.replace(':', '-') as Tag
    const known = await this.#known(tag, signal)
    if (known.some(({ digest }) => digest === entry.digest)) return
    const index = { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [...known, entry] }
    const payload = Buffer.from(JSON.stringify(index))
    await this.#client.putManifest(this.#repository, tag, { payload, mediaType: MediaType.ociIndex, signal })
  }

  async #known(tag: Tag, signal: AbortSignal | undefined): Promise<readonly ReferrerDescriptor[]> {
    try {
      const { payload } = await this.#client.getManifest(this.#repository, tag, { signal })
      return referrersIn(JSON.parse(Buffer.from(payload).toString()))
    } catch (error) {
      if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return []
      throw error
    }
  }
}

/** As the list of referrers shows it. OCI Distribution Specification 1.1, "Listing Referrers". */
export function descriptorOf({
  digest,
  mediaType,
  payload,
}: {
  readonly digest: Digest
  readonly mediaType: string
  readonly payload: Uint8Array
}): ReferrerDescriptor {
  const { artifactType, config, annotations } = JSON.parse(Buffer.from(payload).toString())
  const type = artifactType || config?.mediaType
  return {
    ...{ mediaType, digest, size: payload.length },
    ...(typeof type === 'string' && { artifactType: type }),
    ...(annotations && { annotations }),
  }
}
