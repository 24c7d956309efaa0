import { setTimeout as delay } from 'node:timers/promises'
import { algorithmOf, type Digest, Digester } from '../../core/digest.ts'
import type { ByteRange } from '../../core/storage-driver.ts'
import { isTemporary, UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { UpstreamBlob } from '../../core/upstream/upstream-registry.ts'
import { SpoolFile } from '../../lib/files/spool-file.ts'
import type { MemoryBudget } from './memory-budget.ts'
import { Spool } from './spool.ts'

export interface FlightParts {
  readonly digest: Digest
  /** Its size, if a manifest says it. */
  readonly size: number | undefined
  /** The folder of the spool, if it has a file. */
  readonly folder: string
  readonly memory: MemoryBudget
  /** Asks the upstream for the bytes from `start` on. */
  open(options: { start: number; etag: string | undefined; signal: AbortSignal }): Promise<UpstreamBlob>
  readonly signal: AbortSignal
}

const MAX_ATTEMPTS = 5
const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 5_000

/** One fetch of a blob for all who want it: the bytes are spooled as they come and checked by their digest.
 *  Whoever leaves ends nothing. A break is resumed where it was. */
export class Flight {
  readonly digest: Digest
  /** The size, once the upstream has said it; undefined if it doesn't. Rejects if there is nothing to be
   *  had. */
  readonly opened: Promise<number | undefined>
  /** Resolves when all bytes are there and are the right ones. */
  readonly landed: Promise<number>
  readonly #parts: FlightParts
  readonly #opening = Promise.withResolvers<number | undefined>()
  readonly #digester: Digester
  readonly #spool = Promise.withResolvers<Spool>()
  #takenBytes = 0
  #isOpen = false
  #size: number | undefined
  #received = 0
  #etag: string | undefined

  constructor(parts: FlightParts) {
    this.digest = parts.digest
    this.#parts = parts
    this.#size = parts.size
    this.#digester = new Digester(algorithmOf(parts.digest))
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

  /** The bytes as they come, from wherever they are.
   *  @throws UpstreamError; Error of the system if they can't be spooled */
  async *read(range?: ByteRange): AsyncIterable<Uint8Array> {
    await this.opened
    const spool = await this.#spool.promise
    yield* spool.read(range?.start ?? 0, range?.end)
  }

  /** What is being read is read to its end; nothing else is. */
  async close(): Promise<void> {
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
    const steps = chunks[Symbol.asyncIterator]()
    try {
      this.#agree(size)
      const spool = await this.#openSpool()
      spool.size = this.#size
      this.#opening.resolve(this.#size)
      for (let step = await steps.next(); !step.done; step = await steps.next()) {
        const room = this.#take(step.value, spool)
        if (room !== undefined) await room
      }
    } finally {
      await steps.return?.()
    }
    if (this.#size !== undefined && this.#received < this.#size)
      throw new UpstreamError('UNREACHABLE', { message: 'the upstream ended in the middle of a blob' })
  }

  /** In memory if there is room for it, else in a file. */
  async #openSpool(): Promise<Spool> {
    const { memory, folder } = this.#parts
    if (this.#isOpen) return this.#spool.promise
    this.#isOpen = true
    const size = this.#size
    if (size !== undefined && memory.take(size)) this.#takenBytes = size
    const file = this.#takenBytes > 0 ? undefined : await SpoolFile.open(folder)
    this.#spool.resolve(new Spool(file))
    return this.#spool.promise
  }

  #take(chunk: Uint8Array, spool: Spool): Promise<void> | undefined {
    this.#digester.update(chunk)
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
    if (this.#digester.digest() !== this.digest) throw this.#mismatch('has another digest')
  }

  #mismatch(how: string): UpstreamError {
    const message = `the upstream's content ${how} than ${this.digest} of ${this.#size ?? 'unknown'} bytes`
    return new UpstreamError('INVALID', { message })
  }
}

function waitMs({ retryAfterMs }: UpstreamError, attempt: number): number {
  return Math.min(retryAfterMs ?? FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS)
}
