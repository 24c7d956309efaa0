import type { Descriptor, ReferrerDescriptor } from '../../core/descriptor.ts'
import { type Digest, isDigest } from '../../core/digest.ts'
import { parseReference, type RepositoryName, type Tag } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { FallbackReferrers } from '../push/fallback-referrers.ts'
import type { PushClient, Upload } from '../push/push-client.ts'
import { imageManifest } from './image-manifest.ts'
import type {
  BlobOutcome,
  BlobToPut,
  ImageManifest,
  ImageSource,
  ImageTarget,
  RepositoryLocation,
} from './image-store.ts'
import type { Retries } from './retries.ts'

/** Smaller blobs are sent with the request that finishes their upload. */
const SINGLE_REQUEST_BYTES = 4 * 1024 ** 2

/** A repository of a registry. */
export class RegistryImages implements ImageSource, ImageTarget {
  readonly name: string
  readonly location: RepositoryLocation
  readonly #client: PushClient
  readonly #repository: RepositoryName
  readonly #retries: Retries
  readonly #fallback: FallbackReferrers
  /** Nothing was there when that was looked at. */
  #isNew = false

  constructor(client: PushClient, { registry, repository }: RepositoryLocation, retries: Retries) {
    this.name = `${client.host}/${repository}`
    this.location = { registry, repository }
    this.#client = client
    this.#repository = repository
    this.#retries = retries
    this.#fallback = new FallbackReferrers(client, repository)
  }

  manifest(reference = 'latest', signal?: AbortSignal): Promise<ImageManifest> {
    return this.#retries.run(async () => {
      const name = referenceOf(reference)
      const { payload, contentType } = await this.#client.getManifest(this.#repository, name, { signal })
      return imageManifest(payload, { contentType, reference })
    }, signal)
  }

  async openBlob(digest: Digest, options: { start: number; signal?: AbortSignal | undefined }) {
    return (await this.#client.openBlob(this.#repository, digest, options)).chunks
  }

  referrers(subject: Digest, signal?: AbortSignal): Promise<readonly ReferrerDescriptor[]> {
    return this.#retries.run(() => this.#client.referrers(this.#repository, subject, { signal }), signal)
  }

  tags(signal?: AbortSignal): AsyncIterable<string> {
    return this.#client.tags(this.#repository, { signal })
  }

  /** Looks whether the repository has any tags, once for many images: of one that has none nothing is asked, only sent. */
  async lookForTags(signal?: AbortSignal): Promise<void> {
    try {
      const { done = false } = await this.#client
        .tags(this.#repository, { signal })
        [Symbol.asyncIterator]()
        .next()
      this.#isNew = done
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      this.#isNew = error.code === 'NOT_FOUND' // others may only be pushed to
    }
  }

  async hasManifest(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    if (this.#isNew) return false
    return this.#retries.run(async () => {
      try {
        const found = await this.#client.headManifest(this.#repository, digest, { signal })
        return found.digest === undefined || found.digest === digest
      } catch (error) {
        if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return false
        throw error
      }
    }, signal)
  }

  /** A mount needs no look whether the blob is there: it succeeds then too. */
  async putBlob(blob: BlobToPut): Promise<BlobOutcome> {
    const { descriptor, mountFrom, signal } = blob
    const mounted = mountFrom && (await this.#retries.run(() => this.#mount(blob, mountFrom), signal))
    if (mounted === true) return 'mounted'
    let begun: Upload | undefined = mounted || undefined
    if (await this.#hasBlob(descriptor, signal)) {
      if (begun !== undefined) await this.#cancel(begun, signal)
      return 'existing'
    }
    for (let failures = 0; ; ) {
      try {
        await this.#upload(blob, begun)
        return 'copied'
      } catch (error) {
        begun = undefined
        await this.#retries.pause(error, ++failures, signal)
      }
    }
  }

  async #hasBlob(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#isNew) return false
    return this.#retries.run(() => this.#client.hasBlob(this.#repository, descriptor, { signal }), signal)
  }

  async putManifest(manifest: ImageManifest, reference: string | undefined, signal?: AbortSignal) {
    const { digest, subject } = manifest
    const name = referenceOf(reference ?? digest)
    const { keepsReferrers } = await this.#retries.run(
      () => this.#client.putManifest(this.#repository, name, { ...manifest, signal }),
      signal,
    )
    if (subject !== undefined && !keepsReferrers)
      await this.#retries.run(() => this.#fallback.add(manifest, subject, signal), signal)
  }

  async finish(): Promise<void> {}

  /** @param begun the upload that a mount has become */
  async #upload(blob: BlobToPut, begun: Upload | undefined): Promise<void> {
    const { descriptor, signal } = blob
    const { digest, size } = descriptor
    const upload = begun ?? (await this.#client.beginUpload(this.#repository, { digest, signal }))
    if (upload === undefined) return // some registries know the blob by its digest alone
    if (size > 0 && size <= SINGLE_REQUEST_BYTES) {
      const body = () => counted(blob.open(0), { start: 0, onPosition: blob.onPosition })
      await this.#client.finishUpload(upload, { digest, body, length: size, signal })
    } else await this.#append(upload, blob)
  }

  /** A registry that does not mount answers with an upload, or refuses, as if the other repository were
   *  not there.
   *  @returns true if the blob was mounted; an upload to go on with; or undefined */
  async #mount({ descriptor: { digest }, signal }: BlobToPut, from: RepositoryName) {
    try {
      return (await this.#client.beginUpload(this.#repository, { digest, from, signal })) ?? true
    } catch (error) {
      if (error instanceof UpstreamError && MOUNT_REFUSED.has(error.code)) return undefined
      throw error
    }
  }

  /** An upload that nobody needs is purged at some time if this fails. */
  async #cancel(upload: Upload, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#client.cancelUpload(upload, { signal })
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
    }
  }

  /** Continues where it was interrupted, as long as the registry has the upload. */
  async #append(begun: Upload, blob: BlobToPut): Promise<void> {
    const { descriptor, onPosition, signal } = blob
    const { digest } = descriptor
    let upload: Upload = begun
    let position = 0
    for (let failures = 0; ; ) {
      try {
        const start = position
        const length = descriptor.size - start
        const body = () => counted(blob.open(start), { start, onPosition })
        if (length > 0) upload = await this.#client.append(upload, { start, length, body, signal })
        position = descriptor.size
        return await this.#client.finishUpload(upload, { digest, signal })
      } catch (error) {
        await this.#retries.pause(error, ++failures, signal)
        const status = await this.#client.uploadStatus(upload, { signal })
        if (status.size > position) failures = 0
        position = Math.min(status.size, descriptor.size)
        upload = status
      }
    }
  }
}

const MOUNT_REFUSED: ReadonlySet<string> = new Set(['NOT_FOUND', 'REFUSED', 'INVALID'])

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  { start, onPosition }: { start: number; onPosition: (bytes: number) => void },
): AsyncGenerator<Uint8Array> {
  let position = start
  for await (const chunk of chunks) {
    yield chunk
    position += chunk.length
    onPosition(position)
  }
}

function referenceOf(text: string): Tag | Digest {
  if (isDigest(text)) return text
  const reference = parseReference(text)
  return reference.kind === 'tag' ? reference.tag : reference.digest
}
