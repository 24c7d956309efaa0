import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { type Digest, hashAlgorithmOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobService, BlobUpload } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { UpstreamBlob } from '../../core/upstream/upstream-registry.ts'
import { atMost } from '../../lib/at-most.ts'
import type { FlightClaim } from '../sharing/flight-claim.ts'
import type { WorkerFlights } from '../sharing/worker-flights.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { BlockPool } from './blocks.ts'
import { Flight, type SpoolPlace } from './flight.ts'
import { MemoryBudget } from './memory-budget.ts'
import { SpoolFailed } from './spool-failed.ts'

export interface FlightsOptions {
  readonly place: SpoolPlace
  /** Memory of all flights together; blobs that do not fit are spooled in files. */
  readonly memoryBytes: number
  /** Limit of concurrent fetches; further ones wait. */
  readonly maxFlights: number
  /** True if the registry is read-only. */
  readonly readOnly: boolean
  /** The other workers. Undefined if this process serves alone. */
  readonly workers?: WorkerFlights | undefined
  readonly log: Log
}

export interface WantedBlob {
  readonly upstream: Upstream
  /** Its local name. */
  readonly repository: RepositoryName
  readonly digest: Digest
  /** In bytes; undefined if no manifest has said it. */
  readonly size: number | undefined
  /** The service that stores the blob. */
  readonly blobs: BlobService
}

interface FlyingBlob extends WantedBlob {
  readonly key: string
  /** Undefined if there are no other workers. */
  readonly claim: FlightClaim | undefined
}

/** Limit of a blob that needs no spool file. Larger ones gain nothing: fresh memory costs more than the page
 *  cache. */
const MAX_BLOB_BYTES = 4 * 1024 ** 2

/** A spool file that can't be written is tried again after this time. */
const SPOOL_RETRY_MS = 10_000

/** Limit of the remembered failures. Content that the upstream lacks, or has with another digest, is not
 *  requested again for some time. */
const MAX_FAILURES = 10_000

/** The flights of this process: at most one for each blob of a repository. */
export class Flights {
  readonly #options: FlightsOptions
  readonly #running = new Map<string, Flight>()
  readonly #limit: ReturnType<typeof pLimit>
  readonly #failures = new LRUCache<string, UpstreamError>(atMost(MAX_FAILURES))
  readonly #memory: MemoryBudget
  readonly #blocks = new BlockPool()
  readonly #closing = new AbortController()
  readonly #ending = new Set<Promise<void>>()
  #spoolFailedAt = -Infinity

  constructor(options: FlightsOptions) {
    this.#options = options
    this.#limit = pLimit(options.maxFlights)
    this.#memory = new MemoryBudget({ totalBytes: options.memoryBytes, maxBlobBytes: MAX_BLOB_BYTES })
  }

  get count(): number {
    return this.#running.size
  }

  /** False if a blob of this size would be spooled in a file, and that has failed some seconds ago.
   *  @param size in bytes */
  canSpool(size: number): boolean {
    return size <= MAX_BLOB_BYTES || performance.now() - this.#spoolFailedAt > SPOOL_RETRY_MS
  }

  /** The running flight of a blob, if there is one. */
  find(repository: RepositoryName, digest: Digest): Flight | undefined {
    return this.#running.get(keyOf(repository, digest))
  }

  /** The running flight of a blob, or a new one.
   *  @throws UpstreamError if a previous flight has failed recently and a new one would fail again */
  join(wanted: WantedBlob): Flight {
    const { repository, digest, upstream, size } = wanted
    const key = keyOf(repository, digest)
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const failure = this.#failures.get(key)
    if (failure !== undefined) throw failure
    const place = this.#takePlace()
    const claim: FlightClaim | undefined = this.#options.workers?.claim(key, () => flight)
    const flight: Flight = new Flight({
      ...{ digest, size, place: this.#options.place, signal: this.#closing.signal },
      ...{ memory: this.#memory, blocks: this.#blocks },
      open: async (options) => {
        await place.taken
        const fetch = () => upstream.openBlob(repository, digest, options)
        if (claim === undefined) return fetch()
        const stored = (start: number) => storedBlob(wanted, start)
        return claim.open(options.start, options.signal, { stored, fetch })
      },
    })
    this.#running.set(key, flight)
    const ending = this.#end(flight, { ...wanted, key, claim }).finally(place.leave)
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
    return flight
  }

  /** Aborts all flights; nothing of them is stored. */
  async close(): Promise<void> {
    this.#closing.abort(new UpstreamError('UNREACHABLE', { message: 'the registry is shutting down' }))
    await Promise.all(this.#ending)
  }

  /** Takes one of the places for concurrent fetches. */
  #takePlace(): { taken: Promise<void>; leave: () => void } {
    const taken = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    void this.#limit(() => {
      taken.resolve()
      return left.promise
    })
    return { taken: taken.promise, leave: () => left.resolve() }
  }

  /** Stores the blob, records the result and releases the flight. Never rejects. */
  async #end(flight: Flight, wanted: FlyingBlob): Promise<void> {
    const { upstream, digest, repository, key, claim } = wanted
    const stored = this.#options.readOnly ? Promise.resolve() : this.#store(flight, wanted)
    stored.catch(() => undefined) // handled below, once the flight has ended
    try {
      const size = await flight.landed
      claim?.settle()
      const isFetched = claim === undefined || (await claim.owned)
      if (isFetched) upstream.figures.fetchedBytes += size
    } catch (error) {
      claim?.settle()
      this.#remember(key, error, upstream)
      this.#options.log.warn({ repository, digest, err: error }, 'a blob was not fetched from its upstream')
    }
    try {
      await within(upstream.settings.storeTimeoutMs, stored)
    } catch (err) {
      const hasLanded = await flight.landed.then(
        () => true,
        () => false,
      )
      if (hasLanded) {
        upstream.figures.storeFailures++
        this.#options.log.error({ repository, digest, err }, 'a blob of an upstream was not stored')
      }
    }
    this.#running.delete(key)
    await claim?.end()
    await flight.close()
  }

  #remember(key: string, error: unknown, upstream: Upstream): void {
    if (error instanceof SpoolFailed) this.#spoolFailedAt = performance.now()
    if (!(error instanceof UpstreamError)) return
    if (error.code === 'NOT_FOUND' || error.code === 'INVALID')
      this.#failures.set(key, error, { ttl: upstream.settings.negativeMs })
  }

  /** Stores the flight's bytes as a blob. */
  async #store(flight: Flight, { blobs, digest, claim }: FlyingBlob): Promise<void> {
    if (claim !== undefined && !(await claim.owned)) return // another worker stores it
    await flight.opened
    const upload = await blobs.createUpload({
      algorithm: hashAlgorithmOf(digest),
      digestsOf: (size) => flight.digestsOf(size),
    })
    try {
      await upload.append(flight.readToStore(), { last: true, file: await flight.wholeFile() })
      await upload.commit(digest)
    } catch (error) {
      await cancel(upload)
      throw error
    }
  }
}

async function cancel(upload: BlobUpload): Promise<void> {
  await upload.cancel().catch(() => undefined) // upload purging removes the rest
}

/** @param timeoutMs 0 for no limit */
async function within<Result>(timeoutMs: number, work: Promise<Result>): Promise<Result> {
  if (timeoutMs === 0) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`not stored within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`
}

/** The bytes from `start` on, if another worker has stored the blob meanwhile. */
async function storedBlob({ blobs, digest }: WantedBlob, start: number): Promise<UpstreamBlob | undefined> {
  try {
    const blob = await blobs.open(digest)
    const { size } = blob.descriptor
    return {
      size,
      etag: undefined,
      chunks: start < size ? copied(blob.read({ range: { start, end: size - 1 } })) : copied([]),
    }
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return undefined
    throw error
  }
}

/** Storage uses its chunks again; those of a flight are the flight's. */
async function* copied(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) yield new Uint8Array(chunk)
}
