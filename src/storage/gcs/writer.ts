import pLimit from 'p-limit'
import { StorageError } from '../../core/errors.ts'
import type { FileWriter } from '../../core/storage-driver.ts'
import { type Bucket, type Content, isUploadSession, MAX_SOURCES, type ObjectInfo } from './bucket.ts'
import { isConditionFailed, isNotFound, toStorageError } from './errors.ts'
import { Piece } from './piece.ts'
import type { Pieces } from './pieces.ts'

/** What a file is before something is written behind it. */
export interface Base {
  /** '0' where there is no object. */
  readonly generation: string
  /** Undefined where the file is not there, though an object may be that is to be replaced. */
  readonly size: number | undefined
  /** True where nobody has looked: another of the same size would do as well. */
  readonly isAssumed?: boolean
}

export interface ObjectToAppend {
  readonly bucket: Bucket
  readonly pieces: Pieces
  readonly key: string
  /** What the driver's caller calls it. */
  readonly path: string
  readonly base: Base
  /** Told of what the file has become, or that nothing is known of it any more. */
  readonly became: (file: Base | undefined) => void
  /** How many bytes are gathered before they are uploaded. */
  readonly chunkBytes: number
}

/** How many pieces of a file are on their way at a time. With the one that is gathered, a writer whose caller waits when it
 *  is asked to holds one chunk more than that in memory. */
const PARALLEL_PIECES = 3

/** An object never grows: what is appended is gathered and uploaded in pieces, several at a time, and a sync composes the
 *  file anew of what it was and the pieces behind it, on the condition that it is still what it was. So the file is at any
 *  time an object like others, and of two writers one fails. What fits into one piece is a new file by itself. */
export class ComposingWriter implements FileWriter {
  readonly #object: ObjectToAppend
  readonly #limit = pLimit(PARALLEL_PIECES)
  /** What the file is, as far as this writer knows. */
  #base: Base
  /** What was written since then. */
  #newBytes = 0
  #piece = new Piece()
  /** Of the pieces that the next composition takes, in order. */
  #uploads: Promise<string>[] = []
  /** Those that are not done yet; they never reject. */
  readonly #underWay = new Set<Promise<void>>()
  /** What this writer has put beside the file. */
  readonly #keys = new Set<string>()
  #syncing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #failure: StorageError | undefined

  constructor(object: ObjectToAppend) {
    this.#object = object
    this.#base = object.base
  }

  get size(): number {
    return (this.#base.size ?? 0) + this.#newBytes
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#closing !== undefined) return Promise.reject(this.#refusal())
    this.#newBytes += chunk.byteLength
    for (let rest = chunk; rest.byteLength > 0; ) {
      if (this.#piece.size === this.#object.chunkBytes) this.#uploadPiece()
      const part = rest.subarray(0, this.#object.chunkBytes - this.#piece.size)
      this.#piece.add(part)
      rest = rest.subarray(part.byteLength)
    }
    return this.#isFull() ? this.#untilRoom() : undefined
  }

  sync(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    // One after the other, so that whoever waits for the last has waited for all.
    this.#syncing = Promise.allSettled([this.#syncing]).then(() => this.#sync())
    return this.#syncing
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled([this.#syncing]).then(() => this.#sync())
    return this.#closing
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
    const { path, became } = this.#object
    if (this.#newBytes === 0 && this.#base.size !== undefined) return
    const added = this.#newBytes
    const isWhole = this.#uploads.length === 0 && (this.#base.size ?? 0) === 0
    const composed = await this.#onBase(isWhole ? this.#insertion() : await this.#composition())
    const size = (this.#base.size ?? 0) + added
    if (composed.generation === undefined || Number(composed.size) !== size) {
      const message = `the storage has ${composed.size} bytes instead of ${size}: ${path}`
      throw new StorageError('BACKEND_FAILED', { path, message })
    }
    this.#base = { generation: composed.generation, size }
    this.#newBytes -= added
    became(this.#base)
  }

  /** Where nobody has looked at the file before, that is done when it turns out to be another. */
  async #onBase(write: (base: Base) => Promise<ObjectInfo>): Promise<ObjectInfo> {
    try {
      return await write(this.#base)
    } catch (cause) {
      if (this.#base.isAssumed !== true || !isConditionFailed(cause)) throw cause
      const { bucket, key } = this.#object
      const found = baseOf(await bucket.find(key))
      if ((found.size ?? 0) !== (this.#base.size ?? 0)) throw cause
      this.#base = found
      return await write(found)
    }
  }

  #insertion(): (base: Base) => Promise<ObjectInfo> {
    const { bucket, key } = this.#object
    const content = this.#takePiece()
    return ({ generation }) => bucket.insert(key, content, { ifGeneration: generation })
  }

  async #composition(): Promise<(base: Base) => Promise<ObjectInfo>> {
    const { bucket, pieces, key, path } = this.#object
    if (this.#piece.size > 0) this.#uploadPiece()
    const uploaded = await Promise.all(this.#uploads.splice(0))
    const used = [...uploaded]
    const made = (piece: string) => {
      used.push(piece)
      this.#keys.add(piece)
    }
    const added = await pieces.gather(uploaded, { most: MAX_SOURCES - 1, path, made })
    return async ({ generation, size = 0 }) => {
      const file = size === 0 ? [] : [{ key, generation }]
      const sources = [...file, ...added.map((piece) => ({ key: piece }))]
      const composed = await bucket.compose(key, sources, { ifGeneration: generation })
      this.#discard(used)
      return composed
    }
  }

  #uploadPiece(): void {
    const { pieces, path } = this.#object
    const content = this.#takePiece()
    const upload = this.#limit(async () => {
      this.#throwIfFailed()
      const key = await pieces.upload(content, path)
      this.#keys.add(key)
      return key
    })
    this.#uploads.push(upload)
    const done = upload
      .then(
        () => undefined,
        (cause) => this.#fail(cause),
      )
      .finally(() => this.#underWay.delete(done))
    this.#underWay.add(done)
  }

  #takePiece(): Content {
    const content = this.#piece.end()
    this.#piece = new Piece()
    return content
  }

  /** The first failure is final, and what no sync has covered is given up. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = this.#toStorageError(cause)
    this.#object.became(undefined)
    this.#piece = new Piece()
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
    const message = `somebody else has written to the file, or removed it: ${path}`
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

/** Of an object that was looked for. What Distribution keeps of an upload is no file, and can be replaced. */
export function baseOf(found: ObjectInfo | undefined): Base {
  const isFile = found !== undefined && !isUploadSession(found.contentType)
  return { generation: found?.generation ?? '0', size: isFile ? Number(found.size) : undefined }
}
