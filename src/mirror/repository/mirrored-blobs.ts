import { type Descriptor, OCTET_STREAM } from '../../core/descriptor.ts'
import { type Digest, isTarSum } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingBlobs } from '../../core/forwarding-registry.ts'
import type { Blob, BlobUpload } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { SharedWork } from '../../lib/request-coalescing.ts'
import type { Flight } from '../flight/flight.ts'
import { clientError } from '../upstream/upstream.ts'
import { absenceKey, type MirroredRepositoryContext, memoryKey } from './context.ts'
import { CachedBlob, FetchedBlob } from './mirrored-blob.ts'
import { pushRefused } from './push-refused.ts'

/** Blobs that are fetched from the upstream on the first pull. */
export class MirroredBlobs extends ForwardingBlobs {
  readonly #context: MirroredRepositoryContext
  readonly #sizes = new SharedWork<number>()

  constructor(context: MirroredRepositoryContext) {
    super(context.stored.blobs)
    this.#context = context
  }

  override getIfCached(digest: Digest): Blob | undefined {
    const found = super.getIfCached(digest)
    return found && this.#cached(found)
  }

  override async open(digest: Digest): Promise<Blob> {
    const { flights, name } = this.#context
    // Storage would answer only after it has stored what is in flight.
    const isFlying = flights.find(name, digest) !== undefined
    const found = isFlying ? undefined : await this.find(digest)
    if (found !== undefined) return this.#cached(found)
    // What an upstream sends could not be verified by a TarSum.
    if (isTarSum(digest)) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    try {
      const size = await this.#sizes.do(digest, () => this.#sizeOf(digest))
      return new FetchedBlob({ mediaType: OCTET_STREAM, digest, size }, this.#context, this)
    } catch (error) {
      throw clientError(error, 'BLOB_UNKNOWN', { digest })
    }
  }

  override async stat(digest: Digest): Promise<Descriptor> {
    return (await this.open(digest)).descriptor
  }

  override async has(digest: Digest): Promise<boolean> {
    try {
      await this.open(digest)
      return true
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return false
      throw error
    }
  }

  override async createUpload(): Promise<BlobUpload> {
    throw pushRefused(this.#context)
  }

  override async mount(): Promise<Descriptor> {
    throw pushRefused(this.#context)
  }

  /** The cached blob; undefined if it must be fetched. */
  async find(digest: Digest): Promise<Blob | undefined> {
    try {
      return super.getIfCached(digest) ?? (await super.open(digest))
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return undefined
      throw error
    }
  }

  /** The flight that fetches the blob; a new one if there is none.
   *  @throws UpstreamError if a previous flight has failed recently */
  flight(digest: Digest): Flight {
    const { flights, upstream, name: repository, memory } = this.#context
    const size = memory.sizes.get(memoryKey(repository, digest))
    const running = flights.find(repository, digest)
    if (running !== undefined) return running
    upstream.figures.misses++
    return flights.join({ upstream, repository, digest, size, blobs: this.blobs })
  }

  #cached(found: Blob): Blob {
    const { figures } = this.#context.upstream
    figures.hits++
    return new CachedBlob(found, figures, this)
  }

  /** The blob's size from a manifest, from a HEAD, from the answer to the GET or, at last, from all the bytes. */
  async #sizeOf(digest: Digest): Promise<number> {
    const { flights, name, memory } = this.#context
    const key = memoryKey(name, digest)
    const known = memory.sizes.get(key) ?? (await flights.find(name, digest)?.opened)
    if (known !== undefined) return known
    const head = await this.#head(digest)
    if (head !== undefined) {
      memory.sizes.set(key, head)
      return head
    }
    const flight = this.flight(digest)
    return (await flight.opened) ?? flight.landed
  }

  /** The size by a HEAD; undefined if the upstream refuses HEAD requests.
   *  @throws UpstreamError */
  async #head(digest: Digest): Promise<number | undefined> {
    const { upstream, name, memory } = this.#context
    const key = absenceKey('blob', name, digest)
    if (memory.absences.has(key)) throw new UpstreamError('NOT_FOUND', { message: `${digest} is not there` })
    try {
      return await upstream.headBlob(name, digest)
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      if (error.code === 'REFUSED' || error.code === 'INVALID') return undefined
      const { negativeMs } = upstream.settings
      if (error.code === 'NOT_FOUND' && negativeMs > 0) memory.absences.set(key, true, { ttl: negativeMs })
      throw error
    }
  }
}
