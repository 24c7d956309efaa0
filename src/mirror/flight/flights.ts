import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { type Digest, hashAlgorithmOf } from '../../core/digest.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobService, BlobUpload } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { BlockPool } from './blocks.ts'
import { Flight, type SpoolPlace } from './flight.ts'
import { MemoryBudget } from './memory-budget.ts'

export interface FlightsOptions {
  readonly place: SpoolPlace
  /** Memory of all flights together; blobs that do not fit are spooled in files. */
  readonly memoryBytes: number
  /** Limit of concurrent fetches; further ones wait. */
  readonly maxFlights: number
  /** True if the registry is read-only. */
  readonly readOnly: boolean
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

/** Limit of a blob that needs no spool file. Larger ones gain nothing: fresh memory costs more than the page
 *  cache. */
const MAX_BLOB_BYTES = 4 * 1024 ** 2

/** Limit of the remembered failures. Content that the upstream lacks, or has with another digest, is not
 *  requested again for some time. */
const MAX_FAILURES = 10_000

/** The flights of this process: at most one for each blob of a repository. */
export class Flights {
  readonly #options: FlightsOptions
  readonly #running = new Map<string, Flight>()
  readonly #limit: ReturnType<typeof pLimit>
  readonly #failures = new LRUCache<string, UpstreamError>({ max: MAX_FAILURES })
  readonly #memory: MemoryBudget
  readonly #blocks = new BlockPool()
  readonly #closing = new AbortController()
  readonly #ending = new Set<Promise<void>>()

  constructor(options: FlightsOptions) {
    this.#options = options
    this.#limit = pLimit(options.maxFlights)
    this.#memory = new MemoryBudget({ totalBytes: options.memoryBytes, maxBlobBytes: MAX_BLOB_BYTES })
  }

  get count(): number {
    return this.#running.size
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
    const flight = new Flight({
      ...{ digest, size, place: this.#options.place, signal: this.#closing.signal },
      ...{ memory: this.#memory, blocks: this.#blocks },
      open: async (options) => {
        await place.taken
        return upstream.openBlob(repository, digest, options)
      },
    })
    this.#running.set(key, flight)
    const ending = this.#end(flight, { ...wanted, key }).finally(place.leave)
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
  async #end(flight: Flight, wanted: WantedBlob & { key: string }): Promise<void> {
    const { upstream, digest, repository, key } = wanted
    const stored = this.#options.readOnly ? Promise.resolve() : this.#store(flight, wanted)
    stored.catch(() => undefined) // handled below, once the flight has ended
    try {
      const size = await flight.landed
      upstream.figures.fetchedBytes += size
    } catch (error) {
      this.#remember(key, error, upstream)
      this.#options.log.warn({ repository, digest, err: error }, 'a blob was not fetched from its upstream')
    }
    try {
      await stored
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
    await flight.close()
  }

  #remember(key: string, error: unknown, upstream: Upstream): void {
    if (!(error instanceof UpstreamError)) return
    if (error.code === 'NOT_FOUND' || error.code === 'INVALID')
      this.#failures.set(key, error, { ttl: upstream.settings.negativeMs })
  }

  /** Stores the flight's bytes as a blob. */
  async #store(flight: Flight, { blobs, digest, upstream }: WantedBlob): Promise<void> {
    await flight.opened
    const upload = await blobs.createUpload({
      algorithm: hashAlgorithmOf(digest),
      digestsOf: (size) => flight.digestsOf(size),
    })
    try {
      await upload.append(flight.readToStore(), { last: true, file: await flight.wholeFile() })
      await within(upstream.settings.storeTimeoutMs, upload.commit(digest))
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
