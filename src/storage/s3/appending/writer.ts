import { StorageError } from '../../../core/errors.ts'
import type { FileVersion, FileWriter, SyncOptions } from '../../../core/storage-driver.ts'
import { freeMemoryOf } from '../../../lib/free-memory.ts'
import type { AppendedObjects } from '../appended-object.ts'
import type { Part } from '../bucket.ts'
import { isUncertain, storageError } from '../errors.ts'
import { type MarkedUpload, type StoredMultipart, sizeOf } from '../record.ts'
import { formatVersion, type KnownBytes, type StoredObject } from '../versions.ts'
import type { AppendBase } from './append-base.ts'
import type { PartBuffer, PartBuffers } from './part-buffers.ts'

export interface WriterParts {
  readonly path: string
  readonly key: string
  readonly objects: AppendedObjects
  readonly buffers: PartBuffers
}

/** S3's limit of parts. */
const MAX_PARTS = 10_000

/** Number of parts after which they become larger, so that the largest object fits into the limit. */
const PARTS_OF_A_SIZE = 2_000

/** Gathers written bytes in parts, and sends each while the next one is gathered. Content that fits into one
 *  part is written as an object; only larger content becomes a multipart upload. */
export class S3Writer implements FileWriter {
  readonly #parts: WriterParts
  readonly #base: AppendBase
  #buffer: PartBuffer
  #size: number
  /** Length without the bytes that this writer has not synced. */
  #safeSize: number
  #upload: Promise<MarkedUpload> | undefined
  readonly #sent: Part[] = []
  #partCount = 0
  readonly #sending = new Set<Promise<void>>()
  /** Parts that wait for their turn. */
  readonly #waiting = new Set<Promise<void>>()
  /** The state of the key, as the writer found or left it. */
  #left: KnownBytes | undefined
  /** True if a record of the upload may exist although its write has failed. */
  #isInDoubt = false
  #isDirty = false
  #isSealed = false
  #isClosed = false
  #failure: StorageError | undefined
  #syncing: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  constructor(base: AppendBase, parts: WriterParts) {
    this.#parts = parts
    this.#base = base
    this.#buffer = parts.buffers.open()
    this.#size = this.#safeSize = this.#takeUp(base)
  }

  get size(): number {
    return this.#size
  }

  get version(): FileVersion | undefined {
    return this.#isClosed && this.#left !== undefined ? formatVersion(this.#left) : undefined
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
    const room = this.#buffer.room()
    return this.#waiting.size === 0 && room === undefined ? undefined : this.#untilRoom(room)
  }

  sync({ dataOnly = false }: SyncOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    return this.#syncInTurn(!dataOnly)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Takes up existing bytes: only those that do not fill a part are held. */
  #takeUp(base: AppendBase): number {
    switch (base.kind) {
      case 'absent':
        return 0
      case 'small':
        this.#left = ofObject(base.object)
        return this.#buffer.add(base.content)
      case 'large':
        this.#left = ofObject(base.object)
        this.#isDirty = base.isTaken
        return base.object.size
      case 'parts': {
        const { record } = base
        this.#left = ofRecord(record)
        this.#upload = Promise.resolve(record.upload)
        this.#sent.push(...record.parts)
        this.#partCount = record.parts.length
        this.#buffer.add(record.tail)
        return sizeOf(record)
      }
    }
  }

  /** Sends the part in its turn, and continues with an empty buffer. */
  #sendBuffer(): void {
    const { buffers } = this.#parts
    const full = this.#buffer
    const { promise: turn, resolve: take } = Promise.withResolvers<void>()
    const sending = this.#begun()
      .then((upload) => this.#sendPart(upload, full, take))
      .catch((error) => {
        full.release({ isReusable: false })
        this.#fail(error)
      })
      .finally(() => {
        take()
        this.#sending.delete(sending)
      })
    this.#sending.add(sending)
    this.#waiting.add(turn)
    void turn.then(() => this.#waiting.delete(turn))
    this.#buffer = buffers.openNext(partBytes(this.#partCount, buffers.partBytes))
  }

  #begun(): Promise<MarkedUpload> {
    if (this.#upload === undefined) {
      this.#upload = this.#begin()
      this.#upload.catch(() => undefined) // who needs it hears of it
    }
    return this.#upload
  }

  async #sendPart(upload: MarkedUpload, buffer: PartBuffer, take: () => void): Promise<void> {
    const { objects } = this.#parts
    const index = this.#partCount++
    if (index >= MAX_PARTS) throw new Error(`more than ${MAX_PARTS} parts: chunksize is too small`)
    const send = (content: Buffer) => objects.bucket.putPart(upload, index + 1, content)
    this.#sent[index] = await buffer.lendInTurn(send, take)
    buffer.release()
  }

  /** Starts the multipart upload. A large existing object becomes its first parts. */
  async #begin(): Promise<MarkedUpload> {
    const { objects, key } = this.#parts
    const upload = await objects.begin(key)
    if (this.#base.kind === 'large') {
      const source = { from: key, object: this.#base.object }
      this.#sent.push(...(await objects.copies.inRanges(source, upload)))
      this.#partCount = this.#sent.length
    }
    return upload
  }

  #syncInTurn(name: boolean): Promise<void> {
    this.#syncing = this.#syncing.catch(() => undefined).then(() => this.#sync(name))
    return this.#syncing
  }

  async #sync(name: boolean): Promise<void> {
    if (this.#base.kind === 'large' && this.#isDirty) this.#begun()
    await Promise.all(this.#sending)
    if (this.#failure !== undefined) throw this.#failure
    if (!this.#isDirty && this.#left !== undefined) return
    try {
      const size = this.#size
      this.#isDirty = false
      this.#left = await this.#buffer.lend((content) => this.#save(content, name))
      this.#safeSize = size
    } catch (error) {
      this.#fail(error)
      this.#isInDoubt = isUncertain(error)
      throw this.#failure
    }
  }

  /** Saves the state. A file that is moved next needs no record, unless one exists already. */
  async #save(tail: Uint8Array, name: boolean): Promise<KnownBytes> {
    const { objects, key } = this.#parts
    const over = this.#left?.etag
    if (this.#upload === undefined) return ofObject(await objects.put(key, tail, over))
    const upload = await this.#upload
    const isShared = this.#base.kind === 'parts' || this.#isRecorded
    const multipart = { upload, parts: [...this.#sent], tail, isShared }
    this.#isSealed = !name || this.#isAsTaken
    if (this.#isSealed && !this.#isRecorded) return ofObject(await objects.finish(multipart, over))
    const record = await objects.putRecord(multipart, over)
    return this.#isSealed ? ofObject(await objects.sealed(record)) : ofRecord(record)
  }

  /** True if nothing was added to bytes that were taken over, which are read next. */
  get #isAsTaken(): boolean {
    return this.#base.kind === 'large' && this.#size === this.#base.object.size
  }

  get #isRecorded(): boolean {
    return this.#left !== undefined && this.#left.kind !== 'object'
  }

  async #close(): Promise<void> {
    try {
      await this.#syncInTurn(true)
      this.#isClosed = true
    } catch (error) {
      await this.#abandon()
      throw error
    } finally {
      this.#buffer.release()
    }
  }

  /** Aborts the upload, unless a record names it. */
  async #abandon(): Promise<void> {
    await Promise.all(this.#sending)
    if (this.#isRecorded || this.#isInDoubt) return
    const upload = await this.#upload?.catch(() => undefined)
    if (upload !== undefined) await this.#parts.objects.abandon(upload)
  }

  #fail(cause: unknown): void {
    this.#failure ??= storageError(cause, this.#parts.path)
    this.#size = this.#safeSize
  }

  #refusal(): StorageError {
    const { path } = this.#parts
    return this.#failure ?? new StorageError('BACKEND_FAILED', { path, message: 'the writer is closed' })
  }

  /** Resolves once no part waits for its turn, and more can be gathered. */
  async #untilRoom(gathered: Promise<void> | undefined): Promise<void> {
    await Promise.all([...this.#waiting, gathered?.catch((error) => this.#fail(error))])
    if (this.#failure !== undefined) throw this.#failure
  }
}

function ofObject({ size, etag, mark }: StoredObject): KnownBytes {
  return { kind: 'object', size, etag, mark }
}

function ofRecord(record: StoredMultipart): KnownBytes {
  const kind = record.isShared ? 'shared-parts' : 'parts'
  return { kind, size: sizeOf(record), etag: record.etag, mark: record.upload.mark }
}

function partBytes(index: number, ordinary: number): number {
  return ordinary * 2 ** Math.floor(index / PARTS_OF_A_SIZE)
}
