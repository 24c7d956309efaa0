import { StorageError } from '../../core/errors.ts'
import type { FileWriter, SyncOptions } from '../../core/storage-driver.ts'
import { type AppendedObjects, type Assembly, recordKey } from './appended-object.ts'
import type { OpenUpload, Part } from './bucket.ts'
import { copyRanges } from './copy.ts'
import { storageError } from './errors.ts'
import { freeMemoryOf, type PartBuffer, type PartBuffers } from './part-buffers.ts'
import type { S3Settings } from './settings.ts'

export interface WriterParts {
  readonly path: string
  readonly key: string
  readonly objects: AppendedObjects
  readonly buffers: PartBuffers
  readonly settings: S3Settings
}

/** What a writer goes on with. */
export type Beginning =
  /** Nothing, as far as is known: the first thing that is written says whether that is true. */
  | { readonly kind: 'absent' }
  /** An object that fits into a part, with its content. */
  | { readonly kind: 'small'; readonly etag: string; readonly content: Uint8Array }
  /** An object that does not; it becomes the first parts of a new one. */
  | { readonly kind: 'large'; readonly etag: string; readonly size: number }
  | { readonly kind: 'assembly'; readonly etag: string; readonly assembly: Assembly }

/** Where S3 ends: at most 10,000 parts. */
const MAX_PARTS = 10_000

/** From here on parts are larger, so that the largest object S3 takes fits into the parts that there may be. */
const PARTS_OF_A_SIZE = 2_000

/** Gathers what is written into parts, and sends each while the next is gathered. What fits into one part is put as an
 *  object; only what is larger becomes a multipart upload. */
export class S3Writer implements FileWriter {
  readonly #parts: WriterParts
  readonly #beginning: Beginning
  #buffer: PartBuffer
  #size: number
  /** How long it is without what this writer has not made safe. */
  #safeSize: number
  #upload: Promise<OpenUpload> | undefined
  readonly #sent: Part[] = []
  #partCount = 0
  readonly #sending = new Set<Promise<void>>()
  /** The turns that parts wait for. */
  readonly #waiting = new Set<Promise<void>>()
  /** Of the object or the record that is written over next. */
  #etag: string | undefined
  #hasRecord: boolean
  #isDirty = false
  #isSealed = false
  #failure: StorageError | undefined
  #syncing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(beginning: Beginning, parts: WriterParts) {
    this.#parts = parts
    this.#beginning = beginning
    this.#buffer = parts.buffers.open()
    this.#hasRecord = beginning.kind === 'assembly'
    this.#size = this.#safeSize = this.#takeUp(beginning)
  }

  get size(): number {
    return this.#size
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#closing !== undefined || this.#isSealed)
      return Promise.reject(this.#refusal())
    this.#size += chunk.byteLength
    this.#isDirty ||= chunk.byteLength > 0
    let taken = this.#buffer.add(chunk)
    while (taken < chunk.byteLength) {
      this.#sendBuffer()
      taken += this.#buffer.add(chunk.subarray(taken))
    }
    freeMemoryOf(chunk)
    return this.#waiting.size === 0 ? undefined : this.#untilRoom()
  }

  sync({ name = true }: SyncOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    return this.#syncInTurn(name)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Of the bytes that are in it already, the writer only holds those that don't fill a part. */
  #takeUp(beginning: Beginning): number {
    switch (beginning.kind) {
      case 'absent':
        return 0
      case 'small':
        this.#etag = beginning.etag
        return this.#buffer.add(beginning.content)
      case 'large':
        return beginning.size
      case 'assembly': {
        const { uploadId, parts, tail } = beginning.assembly
        this.#etag = beginning.etag
        this.#upload = Promise.resolve(this.#openUpload(uploadId))
        this.#sent.push(...parts)
        this.#partCount = parts.length
        return parts.reduce((sum, part) => sum + part.size, 0) + this.#buffer.add(tail)
      }
    }
  }

  /** The part goes on its way when it is its turn, and an empty buffer takes its place. */
  #sendBuffer(): void {
    const { buffers } = this.#parts
    const full = this.#buffer
    const { promise: turn, resolve: take } = Promise.withResolvers<void>()
    const sending = this.#begun()
      .then((upload) => this.#sendPart(upload, full, take))
      .catch((error) => this.#fail(error))
      .finally(() => {
        take()
        this.#sending.delete(sending)
      })
    this.#sending.add(sending)
    this.#waiting.add(turn)
    void turn.then(() => this.#waiting.delete(turn))
    this.#buffer = buffers.openNext(partBytes(this.#partCount, buffers.partBytes))
  }

  #begun(): Promise<OpenUpload> {
    if (this.#upload === undefined) {
      this.#upload = this.#begin()
      this.#upload.catch(() => undefined) // who needs it hears of it
    }
    return this.#upload
  }

  async #sendPart(upload: OpenUpload, buffer: PartBuffer, take: () => void): Promise<void> {
    const { objects, buffers } = this.#parts
    const index = this.#partCount++
    if (index >= MAX_PARTS) throw new Error(`more than ${MAX_PARTS} parts: chunksize is too small for it`)
    this.#sent[index] = await buffers.inTurn(() => {
      take()
      return objects.bucket.putPart(upload, index + 1, buffer.content)
    })
    buffer.release()
  }

  /** An object that is too large to be gathered again becomes the first parts; where nothing should stand, it is looked. */
  async #begin(): Promise<OpenUpload> {
    const { objects, key, path, settings } = this.#parts
    const { kind } = this.#beginning
    if (kind === 'absent' && this.#etag === undefined && (await objects.look(key)).kind !== 'absent')
      throw new StorageError('OFFSET_INVALID', { path })
    const upload = this.#openUpload(await objects.bucket.createUpload(key))
    if (this.#beginning.kind === 'large') {
      const { etag, size } = this.#beginning
      this.#sent.push(...(await copyRanges(objects.bucket, { from: key, etag, size }, { upload, settings })))
      this.#partCount = this.#sent.length
    }
    return upload
  }

  #syncInTurn(name: boolean): Promise<void> {
    this.#syncing = this.#syncing.catch(() => undefined).then(() => this.#sync(name))
    return this.#syncing
  }

  async #sync(name: boolean): Promise<void> {
    if (this.#beginning.kind === 'large' && this.#isDirty) this.#begun()
    await Promise.all(this.#sending)
    if (this.#failure !== undefined) throw this.#failure
    const isNew = this.#beginning.kind === 'absent' && this.#etag === undefined && !this.#isSealed
    if (!this.#isDirty && !isNew) return
    try {
      const size = this.#size
      const { content } = this.#buffer // which stays as it is when more is added
      this.#isDirty = false
      if (this.#upload === undefined) await this.#putObject(content)
      else if (name) await this.#putRecord(await this.#upload, content)
      else await this.#seal(await this.#upload, content)
      this.#safeSize = size
    } catch (error) {
      this.#fail(error)
      throw this.#failure
    }
  }

  async #putObject(content: Uint8Array): Promise<void> {
    const { objects, key } = this.#parts
    const etag = await objects.put(key, content, { condition: objects.conditionOver(this.#etag) })
    this.#etag = etag
    objects.learn(key, { size: content.byteLength, etag })
  }

  async #putRecord({ uploadId }: OpenUpload, tail: Uint8Array): Promise<void> {
    const { objects, key } = this.#parts
    const isFirst = !this.#hasRecord
    const over = isFirst ? undefined : this.#etag
    const replaced = isFirst ? this.#etag : undefined
    this.#etag = await objects.writeRecord(key, { uploadId, parts: [...this.#sent], tail }, over)
    this.#hasRecord = true
    objects.forget(key)
    if (replaced !== undefined || (isFirst && this.#beginning.kind === 'large'))
      await objects.bucket.remove(key)
  }

  /** It is moved next: nobody goes on with it, so it need not be kept as what can be gone on with. */
  async #seal(upload: OpenUpload, tail: Uint8Array): Promise<void> {
    const { objects, key } = this.#parts
    this.#isSealed = true
    await objects.finish(upload, { parts: this.#sent, tail })
    if (this.#hasRecord) await objects.bucket.remove(recordKey(key))
  }

  async #close(): Promise<void> {
    try {
      await this.#syncInTurn(true)
    } catch (error) {
      await this.#abandon()
      throw error
    } finally {
      this.#buffer.release()
    }
  }

  /** Parts of which no record speaks are nobody's. */
  async #abandon(): Promise<void> {
    await Promise.all(this.#sending)
    if (this.#hasRecord || this.#isSealed) return
    const upload = await this.#upload?.catch(() => undefined)
    // What can't be aborted now is found when leftovers are.
    if (upload !== undefined) await this.#parts.objects.bucket.abortUpload(upload).catch(() => undefined)
  }

  #fail(cause: unknown): void {
    this.#failure ??= storageError(cause, this.#parts.path)
    this.#size = this.#safeSize
  }

  #refusal(): StorageError {
    const { path } = this.#parts
    return this.#failure ?? new StorageError('BACKEND_FAILED', { path, message: 'the writer is closed' })
  }

  /** Until no part waits for its turn. */
  async #untilRoom(): Promise<void> {
    await Promise.all(this.#waiting)
    if (this.#failure !== undefined) throw this.#failure
  }

  #openUpload(uploadId: string): OpenUpload {
    return { key: this.#parts.key, uploadId, startedAt: new Date() }
  }
}

function partBytes(index: number, ordinary: number): number {
  return ordinary * 2 ** Math.floor(index / PARTS_OF_A_SIZE)
}
