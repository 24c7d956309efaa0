import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { MirrorFigures } from '../../core/mirror-figures.ts'
import type { Blob, CacheStatus } from '../../core/registry.ts'
import type { ByteRange, RedirectedClient } from '../../core/storage-driver.ts'
import { catchFirst } from '../../lib/iterables/catch-first.ts'
import type { Flight } from '../flight/flight.ts'
import { SpoolFailed } from '../flight/spool-failed.ts'
import { clientError } from '../upstream/upstream.ts'
import type { MirroredRepositoryContext } from './context.ts'
import { readUnstored } from './unstored-read.ts'

/** The two origins of a blob: the cache or a flight. */
export interface BlobSource {
  find(digest: Digest): Promise<Blob | undefined>
  flight(digest: Digest): Flight
}

type ReadOptions = { range?: ByteRange; signal?: AbortSignal }

const MISS: CacheStatus = { kind: 'miss', ageSeconds: undefined }
const HIT: CacheStatus = { kind: 'hit', ageSeconds: undefined }

/** A range that starts at most so far ahead of a flight waits for the flight. */
const MAX_WAIT_BYTES = 16 * 1024 ** 2

/** A blob that was not cached when it was opened. Reading it starts the fetch. */
export class FetchedBlob implements Blob {
  readonly descriptor: Descriptor
  readonly content = undefined
  readonly cacheStatus = MISS
  readonly #context: MirroredRepositoryContext
  readonly #source: BlobSource

  constructor(descriptor: Descriptor, context: MirroredRepositoryContext, source: BlobSource) {
    this.descriptor = descriptor
    this.#context = context
    this.#source = source
  }

  /** Looks for the blob again: a flight may have stored it since. */
  async *read(options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { flights, name } = this.#context
    const { digest } = this.descriptor
    const { range } = options
    try {
      const isRunning = flights.find(name, digest) !== undefined
      const stored = isRunning ? undefined : await this.#source.find(digest)
      if (stored !== undefined) return yield* stored.read(options)
      if (!isRunning && !flights.canSpool(this.descriptor.size)) return yield* await this.#unstored(range, 0)
      // A flight must be read at once, before it can end.
      const flight = this.#source.flight(digest)
      const isFarAhead = range !== undefined && range.start > flight.received + MAX_WAIT_BYTES
      if (isFarAhead) yield* await this.#part(range)
      else yield* this.#readFlight(flight, range)
    } catch (error) {
      throw clientError(error, 'BLOB_UNKNOWN', { digest })
    }
  }

  async redirectUrl(): Promise<URL | undefined> {
    return undefined
  }

  /** If the flight can't buffer the bytes, they come from the upstream without it. */
  async *#readFlight(flight: Flight, range: ByteRange | undefined): AsyncIterable<Uint8Array> {
    let sent = 0
    try {
      for await (const chunk of flight.read(range)) {
        sent += chunk.length
        yield chunk
      }
    } catch (error) {
      if (!(error instanceof SpoolFailed)) throw error
      yield* await this.#unstored(range, sent)
    }
  }

  /** The bytes that the client does not have yet, straight from the upstream.
   *  @param sent how many it has */
  async #unstored(range: ByteRange | undefined, sent: number): Promise<AsyncIterable<Uint8Array>> {
    const { upstream, name } = this.#context
    const { digest, size } = this.descriptor
    if (range !== undefined) return this.#part({ start: range.start + sent, end: range.end })
    const { chunks } = await upstream.openBlob(name, digest, {})
    return readUnstored(chunks, { digest, size, skipped: sent })
  }

  /** Reads a range that is far ahead of the flight straight from the upstream. Its digest cannot be checked, so
   *  it is not stored. */
  async #part({ start, end }: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const { upstream, name } = this.#context
    const { chunks } = await upstream.openBlob(name, this.descriptor.digest, { start, end })
    return chunks
  }
}

/** A cached blob. If its bytes are missing on storage, they are fetched again. */
export class CachedBlob implements Blob {
  readonly cacheStatus = HIT
  readonly #blob: Blob
  readonly #figures: MirrorFigures
  readonly #source: BlobSource

  constructor(blob: Blob, figures: MirrorFigures, source: BlobSource) {
    this.#blob = blob
    this.#figures = figures
    this.#source = source
  }

  get descriptor(): Descriptor {
    return this.#blob.descriptor
  }

  get content(): Uint8Array | undefined {
    return this.#blob.content
  }

  redirectUrl(client: RedirectedClient): Promise<URL | undefined> {
    return this.#blob.redirectUrl(client)
  }

  read(options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    this.#figures.savedBytes += options.range === undefined ? this.descriptor.size : lengthOf(options.range)
    return catchFirst(this.#blob.read(options), (error) => {
      if (!(error instanceof RegistryError) || error.code !== 'BLOB_UNKNOWN') throw error
      return this.#source.flight(this.descriptor.digest).read(options.range)
    })
  }
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}
