import pLimit from 'p-limit'
import { StorageError } from '../../core/errors.ts'
import type { FileVersion, FileWriter, SyncOptions } from '../../core/storage-driver.ts'
import { type GatherBudget, MIN_GATHERED_BYTES } from '../object-store/gather-budget.ts'
import { type AppendBase, appendBaseOf } from './append-base.ts'
import { type Bucket, MAX_SOURCES, type ObjectToCompose } from './bucket.ts'
import type { Content } from './content.ts'
import { isConditionFailed, isNotFound, toStorageError } from './errors.ts'
import { PieceBuffer } from './piece-buffer.ts'
import type { Pieces } from './pieces.ts'
import { formatVersion, type ObjectVersion } from './version.ts'

export interface ObjectToAppend {
  readonly bucket: Bucket
  readonly pieces: Pieces
  readonly key: string
  /** The driver's path, for errors. */
  readonly path: string
  readonly base: AppendBase
  /** Bytes gathered for a piece. */
  readonly chunkBytes: number
  readonly budget: GatherBudget
}

/** Concurrent uploads of a file's pieces. With the gathered piece and one chunk this bounds a writer's
 *  memory, if its caller respects backpressure. Pieces are smaller while all uploads together exceed their
 *  budget. */
const PARALLEL_PIECES = 3

/** Appends to an object, which can't grow. Bytes are gathered and uploaded in pieces, several at a time. A
 *  sync composes the file and the pieces to a new object, on the condition that the file is unchanged; so of
 *  two writers one fails. A new file that fits into one piece is uploaded directly. */
export class ComposingWriter implements FileWriter {
  readonly #object: ObjectToAppend
  readonly #limit = pLimit(PARALLEL_PIECES)
  /** The file's state, as this writer knows it. */
  #base: AppendBase
  /** Bytes written since then. */
  #newBytes = 0
  #piece = new PieceBuffer()
  /** The pieces of the next composition, in order. */
  #uploads: Promise<ObjectToCompose>[] = []
  /** Running uploads; they never reject. */
  readonly #underWay = new Set<Promise<void>>()
  /** The keys of the pieces that this writer has created. */
  readonly #keys = new Set<string>()
  #syncing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #version: FileVersion | undefined
  /** True if the move that comes next checks that the file is unchanged. */
  #isMovedNext = false
  #failure: StorageError | undefined

  constructor(object: ObjectToAppend) {
    this.#object = object
    this.#base = object.base
  }

  get size(): number {
    return (this.#base.size ?? 0) + this.#newBytes
  }

  get version(): FileVersion | undefined {
    return this.#version
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#closing !== undefined) return Promise.reject(this.#refusal())
    this.#newBytes += chunk.byteLength
    for (let rest = chunk; rest.byteLength > 0; ) {
      if (this.#piece.size === this.#object.chunkBytes) this.#uploadPiece()
      const part = rest.subarray(0, this.#object.chunkBytes - this.#piece.size)
      // The piece takes ownership of whole chunks.
      rest = rest.subarray(part.byteLength)
      this.#object.budget.hold(part.byteLength)
      this.#piece.add(part)
    }
    if (this.#object.budget.isExceeded && this.#piece.size >= MIN_GATHERED_BYTES) this.#uploadPiece()
    return this.#isFull() ? this.#untilRoom() : undefined
  }

  sync({ dataOnly = false }: SyncOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    this.#isMovedNext = dataOnly
    // Sequential, so that awaiting the last one awaits all.
    this.#syncing = Promise.allSettled([this.#syncing]).then(() => this.#sync())
    return this.#syncing
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([this.#syncing]).then(() => this.#close())
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#sync()
    const { generation, size = 0 } = this.#base
    this.#version = formatVersion({ generation, size })
  }

  async #sync(): Promise<void> {
    this.#throwIfFailed()
    try {
      await this.#compose()
    } catch (cause) {
      this.#fail(cause)
    }
    this.#throwIfFailed()
  }

  async #compose(): Promise<void> {
    const { path } = this.#object
    if (this.#newBytes === 0 && this.#isSettled()) return
    const added = this.#newBytes
    const isWhole = this.#uploads.length === 0 && (this.#base.size ?? 0) === 0
    const composed = await this.#onBase(isWhole ? this.#insertion() : await this.#composition())
    const size = (this.#base.size ?? 0) + added
    if (composed.size !== size) {
      const message = `the storage has ${composed.size} bytes instead of ${size}: ${path}`
      throw new StorageError('BACKEND_FAILED', { path, message })
    }
    this.#base = { generation: composed.generation, size, known: 'written' }
    this.#newBytes -= added
  }

  /** True if a sync without new bytes needs no request. Otherwise the file is composed of itself, which
   *  confirms its state and makes other writers fail. */
  #isSettled(): boolean {
    const { known } = this.#base
    return known === 'written' || (known === 'told' && this.#isMovedNext)
  }

  /** Writes onto the base. If a new file exists already, it may be empty, or an object that is no file. */
  async #onBase(write: (base: AppendBase) => Promise<ObjectVersion>): Promise<ObjectVersion> {
    try {
      return await write(this.#base)
    } catch (cause) {
      if (this.#base.known !== 'assumed' || !isConditionFailed(cause)) throw cause
      const { bucket, key } = this.#object
      const found = appendBaseOf(await bucket.find(key))
      if ((found.size ?? 0) > 0) throw cause
      this.#base = found
      return await write(found)
    }
  }

  #insertion(): (base: AppendBase) => Promise<ObjectVersion> {
    const { bucket, key, budget } = this.#object
    const content = this.#takePiece()
    let isHeld = true
    // It is tried twice at most.
    return async ({ generation }) => {
      try {
        return await bucket.insert(key, content, { ifGeneration: generation })
      } finally {
        if (isHeld) budget.release(content.size)
        isHeld = false
      }
    }
  }

  async #composition(): Promise<(base: AppendBase) => Promise<ObjectVersion>> {
    const { bucket, pieces, key, path } = this.#object
    if (this.#piece.size > 0) this.#uploadPiece()
    const uploaded = await Promise.all(this.#uploads.splice(0))
    const used = uploaded.map((piece) => piece.key)
    const made = (piece: string) => {
      used.push(piece)
      this.#keys.add(piece)
    }
    const added = await pieces.gather(uploaded, { most: MAX_SOURCES - 1, path, made })
    return async ({ generation, size = 0 }) => {
      const file = size === 0 ? [] : [{ key, generation }]
      const composed = await bucket.compose(key, [...file, ...added], { ifGeneration: generation })
      this.#discard(used)
      return composed
    }
  }

  #uploadPiece(): void {
    const { pieces, path, budget } = this.#object
    const content = this.#takePiece()
    const upload = this.#limit(async () => {
      this.#throwIfFailed()
      const piece = await pieces.upload(content, path)
      this.#keys.add(piece.key)
      return piece
    })
    this.#uploads.push(upload)
    const done = upload
      .then(
        () => undefined,
        (cause) => this.#fail(cause),
      )
      .finally(() => {
        budget.release(content.size)
        this.#underWay.delete(done)
      })
    this.#underWay.add(done)
  }

  #takePiece(): Content {
    const content = this.#piece.end()
    this.#piece = new PieceBuffer()
    return content
  }

  /** Records the first failure, which is final; bytes since the last sync are dropped. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = this.#toStorageError(cause)
    this.#object.budget.release(this.#piece.size)
    this.#piece = new PieceBuffer()
    this.#newBytes = 0
    this.#uploads = []
    void Promise.all(this.#underWay).then(() => this.#discard(this.#keys))
  }

  #discard(keys: Iterable<string>): void {
    const discarded = [...keys]
    for (const key of discarded) this.#keys.delete(key)
    this.#object.pieces.remove(discarded)
  }

  #toStorageError(cause: unknown): StorageError {
    const { path } = this.#object
    if (!isConditionFailed(cause) && !isNotFound(cause)) return toStorageError(cause, path)
    const message = `another process has written to the file, or removed it: ${path}`
    return new StorageError('OFFSET_INVALID', { path, message, cause })
  }

  #refusal(): StorageError {
    const { path } = this.#object
    return this.#failure ?? new StorageError('BACKEND_FAILED', { path, message: 'the writer is closed' })
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #isFull(): boolean {
    return this.#underWay.size > PARALLEL_PIECES
  }

  #untilRoom(): Promise<void> {
    const room = this.#waitForRoom()
    room.catch(() => undefined)
    return room
  }

  async #waitForRoom(): Promise<void> {
    while (this.#isFull()) await Promise.race(this.#underWay)
    this.#throwIfFailed()
  }
}
