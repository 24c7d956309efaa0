import { setTimeout as delay } from 'node:timers/promises'
import { CANONICAL, type Digest, Digester, hashAlgorithmOf } from '../../core/digest.ts'
import type { ByteRange } from '../../core/storage-driver.ts'
import { isTemporary, UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { ReceivedBytes, UpstreamBlob } from '../../core/upstream/upstream-registry.ts'
import { SpoolFile } from '../../lib/files/spool-file.ts'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import { BLOCK_BYTES, type BlockPool } from './blocks.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { Spool } from './spool.ts'
import { SpoolFailed } from './spool-failed.ts'

export interface SpoolPlace {
  readonly folder: string
  /** True if storage can take over spool files, by renaming them. */
  readonly isStorage: boolean
}

export interface FlightParts {
  readonly digest: Digest
  /** Its size, if a manifest says it. */
  readonly size: number | undefined
  /** The place of the spool, if it has a file. */
  readonly place: SpoolPlace
  readonly memory: MemoryBudget
  readonly blocks: BlockPool
  /** Asks the upstream for the bytes from `start` on. */
  open(options: { start: number; etag: string | undefined; signal: AbortSignal }): Promise<UpstreamBlob>
  readonly signal: AbortSignal
}

const MAX_ATTEMPTS = 5
const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 5_000

/** One fetch of a blob for all clients: the bytes are spooled as they arrive, and verified by their digest. A
 *  reader that stops does not end the fetch. A broken connection is resumed where it was. */
export class Flight {
  readonly digest: Digest
  /** The size, once the upstream has said it; undefined if it doesn't. Rejects if there is nothing to be
   *  had. */
  readonly opened: Promise<number | undefined>
  /** Resolves when all bytes are there and are the right ones. */
  readonly landed: Promise<number>
  readonly #parts: FlightParts
  readonly #opening = Promise.withResolvers<number | undefined>()
  /** The canonical one, which storage needs, and that of the digest. */
  readonly #digesters: readonly Digester[]
  readonly #spool = Promise.withResolvers<Spool>()
  #takenBytes = 0
  #isOpen = false
  /** Readers, and the table of flights. */
  #users = 1
  #isVerified = false
  #size: number | undefined
  #received = 0
  #etag: string | undefined

  constructor(parts: FlightParts) {
    this.digest = parts.digest
    this.#parts = parts
    this.#size = parts.size
    const algorithms = new Set([CANONICAL, hashAlgorithmOf(parts.digest)])
    this.#digesters = [...algorithms].map((algorithm) => new Digester(algorithm))
    this.opened = this.#opening.promise
    this.opened.catch(() => undefined)
    this.#spool.promise.catch(() => undefined)
    this.landed = this.#fly()
    this.landed.catch(() => undefined)
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received
  }

  /** The bytes as they arrive. A chunk is valid only until the next one is requested.
   *  @throws UpstreamError; SpoolFailed */
  async *read(range?: ByteRange, minBytes?: number): AsyncIterable<Uint8Array> {
    this.#users++
    try {
      await this.opened
      const spool = await this.#spool.promise
      yield* spool.read(range, minBytes)
    } finally {
      await this.#leave()
    }
  }

  /** The bytes for storage, which holds chunks until it has written them, and frees them. */
  async *readToStore(): AsyncIterable<Uint8Array> {
    await this.opened
    const chunks = this.read(undefined, BLOCK_BYTES)
    if (this.#takenBytes > 0) return yield* chunks
    for await (const chunk of chunks) yield new Uint8Array(chunk)
  }

  /** A file of the local file system that storage may take over, once all bytes are in it and verified. Undefined if
   *  there is none, before any byte has arrived.
   *  @throws UpstreamError; SpoolFailed */
  async wholeFile(): Promise<string | undefined> {
    await this.opened
    const spool = await this.#spool.promise
    if (!spool.isNamed) return undefined
    await this.landed
    return spool.wholeFile()
  }

  /** The digests of the first `size` bytes: those of all bytes once they are verified, and none otherwise. */
  digestsOf(size: number): readonly Digest[] {
    const areKnown = this.#isVerified && size === this.#received
    return areKnown ? this.#digesters.map((digester) => digester.digest()) : []
  }

  /** Nobody joins it any more. Running readers still get all bytes. */
  close(): Promise<void> {
    return this.#leave()
  }

  /** The last one frees memory and file. */
  async #leave(): Promise<void> {
    if (--this.#users > 0) return
    await (await this.#spool.promise.catch(() => undefined))?.close()
    this.#parts.memory.giveBack(this.#takenBytes)
    this.#takenBytes = 0
  }

  async #fly(): Promise<number> {
    try {
      await this.#fetch()
      this.#requireDigest()
      const spool = await this.#spool.promise
      spool.complete()
      return this.#received
    } catch (error) {
      this.#opening.reject(error)
      this.#spool.reject(error)
      const spool = await this.#spool.promise.catch(() => undefined)
      spool?.fail(error)
      throw error
    }
  }

  /** Goes on where it was, as long as that makes sense. */
  async #fetch(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const before = this.#received
      try {
        await this.#fetchOnce()
        return
      } catch (error) {
        if (this.#received > before) attempt = 1
        if (!(error instanceof UpstreamError) || !isTemporary(error) || attempt >= MAX_ATTEMPTS) throw error
        // Those who wait for the first byte are told at once.
        if (this.#received === 0 && (error.code === 'THROTTLED' || attempt > 1)) throw error
        await delay(waitMs(error, attempt), undefined, { signal: this.#parts.signal })
      }
    }
  }

  async #fetchOnce(): Promise<void> {
    const { open, signal } = this.#parts
    const { size, etag, chunks } = await open({ start: this.#received, etag: this.#etag, signal })
    this.#etag ??= etag
    try {
      this.#agree(size)
      const spool = await this.#openSpool()
      this.#opening.resolve(this.#size)
      await passEach(chunks, (chunk) => this.#take(chunk, spool))
    } catch (error) {
      await chunks[Symbol.asyncIterator]().return?.()
      throw error
    }
    if (this.#size !== undefined && this.#received < this.#size)
      throw new UpstreamError('UNREACHABLE', { message: 'the upstream ended in the middle of a blob' })
  }

  /** In memory if there is room for it, else in a file. */
  async #openSpool(): Promise<Spool> {
    const { memory, place, blocks } = this.#parts
    if (this.#isOpen) return this.#spool.promise
    this.#isOpen = true
    const size = this.#size
    if (size !== undefined && memory.take(size)) this.#takenBytes = size
    const file = this.#takenBytes > 0 ? undefined : await openFile(place)
    this.#spool.resolve(new Spool({ blocks, file, size }))
    return this.#spool.promise
  }

  #take(chunk: Uint8Array, spool: Spool): Promise<void> | undefined {
    for (const digester of this.#digesters) digester.update(chunk)
    this.#received += chunk.length
    if (this.#size !== undefined && this.#received > this.#size) throw this.#mismatch('is longer')
    return spool.append(chunk)
  }

  /** What a manifest says, and each answer, must be the same size. */
  #agree(size: number | undefined): void {
    if (size === undefined) return
    if (this.#size !== undefined && this.#size !== size) throw this.#mismatch(`has ${size} bytes`)
    this.#size = size
  }

  #requireDigest(): void {
    if (this.#digesters.at(-1)?.digest() !== this.digest) throw this.#mismatch('has another digest')
    this.#isVerified = true
  }

  #mismatch(how: string): UpstreamError {
    const message = `the upstream's content ${how} than ${this.digest} of ${this.#size ?? 'unknown'} bytes`
    return new UpstreamError('INVALID', { message })
  }
}

async function passEach(chunks: ReceivedBytes, take: (chunk: Uint8Array) => Promise<void> | undefined) {
  if (chunks.passTo !== undefined) return chunks.passTo(take)
  for await (const chunk of chunks) {
    const room = take(chunk)
    freeMemoryOf(chunk)
    if (room !== undefined) await room
  }
}

/** @throws SpoolFailed */
async function openFile({ folder, isStorage }: SpoolPlace): Promise<SpoolFile> {
  try {
    return await SpoolFile.open(folder, { named: isStorage })
  } catch (cause) {
    throw new SpoolFailed(cause)
  }
}

function waitMs({ retryAfterMs }: UpstreamError, attempt: number): number {
  return Math.min(retryAfterMs ?? FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS)
}
