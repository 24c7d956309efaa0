import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import type { Digest } from '../../core/digest.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobService, BlobUpload } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { Flight } from './flight.ts'
import { MemoryBudget } from './memory-budget.ts'

export interface FlightsOptions {
  /** The folder of the spools. */
  readonly folder: string
  /** Of all flights together; larger blobs are in files on their way. */
  readonly memoryBytes: number
  /** How many blobs are fetched at the same time; others wait. */
  readonly maxFlights: number
  /** True where nothing may be stored. */
  readonly readOnly: boolean
  readonly log: Log
}

export interface WantedBlob {
  readonly upstream: Upstream
  /** Here. */
  readonly repository: RepositoryName
  readonly digest: Digest
  /** If a manifest says it. */
  readonly size: number | undefined
  /** Where it is stored. */
  readonly blobs: BlobService
}

/** The largest blob that stays in memory on its way. */
const MAX_BLOB_BYTES = 32 * 1024 ** 2

/** What the upstream has not, or has wrong, is not asked for again for a while. */
const MAX_FAILURES = 10_000

/** The flights of this process: at most one for a blob of a repository. */
export class Flights {
  readonly #options: FlightsOptions
  readonly #running = new Map<string, Flight>()
  readonly #limit: ReturnType<typeof pLimit>
  readonly #failures = new LRUCache<string, UpstreamError>({ max: MAX_FAILURES })
  readonly #memory: MemoryBudget
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

  /** The one that is under way. */
  find(repository: RepositoryName, digest: Digest): Flight | undefined {
    return this.#running.get(keyOf(repository, digest))
  }

  /** The one that is under way, or a new one.
   *  @throws UpstreamError if it has failed a moment ago and would again */
  join(wanted: WantedBlob): Flight {
    const { repository, digest, upstream, size } = wanted
    const key = keyOf(repository, digest)
    const running = this.#running.get(key)
    if (running !== undefined) return running
    const failure = this.#failures.get(key)
    if (failure !== undefined) throw failure
    const place = this.#takePlace()
    const flight = new Flight({
      ...{ digest, size, folder: this.#options.folder, memory: this.#memory, signal: this.#closing.signal },
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

  /** What is under way ends, and nothing of it is stored. */
  async close(): Promise<void> {
    this.#closing.abort(new UpstreamError('UNREACHABLE', { message: 'the registry is shutting down' }))
    await Promise.all(this.#ending)
  }

  /** One of those that may fly at the same time. */
  #takePlace(): { taken: Promise<void>; leave: () => void } {
    const taken = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    void this.#limit(() => {
      taken.resolve()
      return left.promise
    })
    return { taken: taken.promise, leave: () => left.resolve() }
  }

  /** Never rejects. */
  async #end(flight: Flight, wanted: WantedBlob & { key: string }): Promise<void> {
    const { upstream, digest, repository, key } = wanted
    const stored = this.#options.readOnly ? Promise.resolve() : this.#store(flight, wanted)
    stored.catch(() => undefined) // it is looked at once the flight has landed
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

  /** Bytes become a blob of the repository only once all of them are there and are the right ones. */
  async #store(flight: Flight, { blobs, digest, upstream }: WantedBlob): Promise<void> {
    await flight.opened
    const algorithm = digest.startsWith('sha512') ? 'sha512' : 'sha256'
    const upload = await blobs.createUpload({ algorithm })
    try {
      await upload.append(copies(flight.read()), { last: true })
      await within(upstream.settings.storeTimeoutMs, upload.commit(digest))
    } catch (error) {
      await cancel(upload)
      throw error
    }
  }
}

async function cancel(upload: BlobUpload): Promise<void> {
  await upload.cancel().catch(() => undefined) // what is left of it is purged
}

/** Storage empties what it has written; the others still read it. */
async function* copies(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) yield new Uint8Array(chunk)
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
