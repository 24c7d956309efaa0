import type { Descriptor } from '../../core/descriptor.ts'
import { OCTET_STREAM } from '../../core/descriptor.ts'
import type { StoredContent } from '../../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest, type DigestAlgorithm } from '../../core/digest.ts'
import { isPathNotFound, RegistryError, StorageError, type StorageErrorCode } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobUpload, ChangeOptions, UploadAppendOptions } from '../../core/registry.ts'
import type { FileWriter } from '../../core/storage-driver.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { PooledContent } from '../blobs/blob-pool.ts'
import type { RepositoryContext } from '../context.ts'
import { UPLOAD_FILES, type UploadPaths } from '../paths.ts'
import type { KnownDigests, RunningDigests } from './running-digests.ts'
import { requireAlgorithm, UploadDigests } from './upload-digests.ts'
import { readRecord, writeRecord } from './upload-files.ts'
import { dataSoFar, findUpload, type UploadStatus } from './upload-status.ts'

/** The repository of an upload. */
export interface UploadPlace {
  readonly repository: RepositoryContext
  readonly paths: UploadPaths
  /** Runs the work that makes the bytes a blob, and updates the cache. */
  readonly writeThrough: (digest: Digest, work: () => Promise<StoredContent>) => Promise<StoredContent>
}

/** The origin of an upload's status: this process's memory, storage with the files beside the bytes, or the
 *  bytes themselves. */
export type StatusSource = 'memory' | 'storage' | 'bytes'

export interface UploadState {
  readonly id: string
  readonly status: UploadStatus
  readonly source: StatusSource
}

/** An upload whose state is on storage, so any process can continue it. After every chunk the digests so far
 *  are stored beside the bytes, so that `commit` need not read them again.
 *
 *  Each operation names the version of the bytes whose digests are known. If storage has another, nothing is
 *  changed, and the state is read again, at last from the bytes. Nothing is rejected or removed because of
 *  remembered state alone. See docs/decisions/014-versions-of-uploads.md. */
export class StoredUpload implements BlobUpload {
  readonly id: string
  readonly repository: RepositoryName
  #status: UploadStatus
  #source: StatusSource
  #announce: ChangeOptions<Descriptor>['announce']
  readonly #context: RepositoryContext
  readonly #paths: UploadPaths
  readonly #writeThrough: UploadPlace['writeThrough']

  constructor({ id, status, source }: UploadState, { repository, paths, writeThrough }: UploadPlace) {
    this.id = id
    this.repository = repository.name
    this.#status = status
    this.#source = source
    this.#context = repository
    this.#paths = paths
    this.#writeThrough = writeThrough
  }

  get startedAt(): Date {
    return this.#status.startedAt
  }

  get lastWrittenAt(): Date {
    return this.#status.lastWrittenAt
  }

  get size(): number {
    return this.#status.size
  }

  append(source: AsyncIterable<Uint8Array>, options: UploadAppendOptions = {}): Promise<void> {
    return this.#exclusively(() =>
      this.#append(source, options).catch((error) => {
        // Another request is removing it.
        throw isPathNotFound(error) ? this.#unknown() : error
      }),
    )
  }

  commit(digest: Digest, { announce }: ChangeOptions<Descriptor> = {}): Promise<Descriptor> {
    let announced: Promise<void> | undefined
    const once = announce && ((blob: Descriptor) => (announced ??= announce(blob)))
    return this.#exclusively(() => {
      this.#announce = once
      return this.#asKnown(() => this.#commit(digest)).catch((error) => this.#committedBefore(digest, error))
    })
  }

  cancel(): Promise<void> {
    return this.#exclusively(() => this.#remove())
  }

  /** Runs work under the upload's lock. The remembered state is dropped meanwhile, and after a failure. */
  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const { sessions } = this.#context
    return sessions.exclusively(this.id, () => {
      sessions.forget(this.#paths)
      return work()
    })
  }

  /** Runs work that relies on the status. If that proves wrong, it is read again and the work retried, so the
   *  work must not have changed anything when it fails. */
  async #asKnown<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (!contradicts(error, this.#source)) throw await this.#explained(error)
      await this.#lookCloser(error)
    }
    return this.#asKnown(work)
  }

  /** Reads the status from a more reliable origin.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN, RANGE_INVALID; `reason`, if the bytes are gone */
  async #lookCloser(reason: unknown): Promise<void> {
    const { size } = this.#status
    await this.#lookUp()
    if (this.#source === 'memory') {
      this.#source = 'storage'
      return
    }
    if (this.size === 0 && isPathNotFound(reason)) throw reason
    if (this.size !== size) throw outOfStep(reason)
    // The same length, but another version than the record's.
    this.#status = { ...this.#status, version: undefined, record: undefined }
    this.#source = 'bytes'
  }

  /** Reads the status from storage.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async #lookUp(): Promise<void> {
    const { storage } = this.#context
    const found = await findUpload(storage, { paths: this.#paths, withOwner: false })
    if (found === undefined) throw this.#unknown()
    // Another process has written: the running hash may be that of other bytes.
    this.#context.sessions.end(this.id)
    this.#status = { ...found, owner: this.#status.owner }
  }

  /** The error to report if another process has written since: it tells the client the upload's present size.
   *  The record beside the bytes is ignored from then on. */
  async #explained(
    error: unknown,
    codes: readonly StorageErrorCode[] = ['OFFSET_INVALID'],
  ): Promise<unknown> {
    if (!(error instanceof StorageError) || !codes.includes(error.code)) return error
    const { storage } = this.#context
    const doubtful = this.#status.record?.version
    await this.#lookUp()
    if (doubtful !== undefined && this.#status.record?.version === doubtful)
      await storage.delete(this.#paths.digests, { durable: false })
    return outOfStep(error)
  }

  async #append(
    source: AsyncIterable<Uint8Array>,
    { offset, last = false, file }: UploadAppendOptions,
  ): Promise<void> {
    const { storage, sessions } = this.#context
    const writer = await this.#asKnown(() =>
      storage.append(this.#paths.data, {
        offset: this.#requireOffset(offset),
        version: this.#status.version,
        takes: file,
      }),
    )
    const isBegun = this.size > 0
    const running = this.#digests.running()
    try {
      await this.#fill(writer, { source, running, last })
    } catch (error) {
      await this.#keep(running).catch(() => undefined) // the first error is the one to hear of
      // If the driver checks the file only when it writes, it may be gone by then.
      throw await this.#explained(error, WHILE_WRITING)
    }
    // The bytes of an upload in one request are sent again if its commit is repeated; earlier chunks are not.
    if (!last || isBegun) await this.#keep(running)
    this.#source = 'storage'
    if (this.#status.isOwn) sessions.remember(this.#paths, this.#status)
  }

  async #fill(
    writer: FileWriter,
    {
      source,
      running,
      last,
    }: { source: AsyncIterable<Uint8Array>; running: RunningDigests | undefined; last: boolean },
  ): Promise<void> {
    try {
      if (writer.size > this.size) running?.take(writer.size)
      else await copy(source, { writer, running })
      await writer.sync({ dataOnly: last })
    } finally {
      try {
        await writer.close()
      } finally {
        const { size, version } = writer
        this.#status = { ...this.#status, size, version, record: undefined, lastWrittenAt: new Date() }
        // If the bytes were not stored, the hash includes them all the same, and must not be used for others.
        if (running?.size === size && version !== undefined) running.version = version
        else this.#context.sessions.end(this.id)
      }
    }
  }

  /** Stores the version and digests of the bytes, for the process that continues the upload. */
  async #keep(running: RunningDigests | undefined): Promise<void> {
    const { storage } = this.#context
    const { size, version } = this.#status
    if (version === undefined) return
    const known = running?.version === version ? await running.snapshot() : undefined
    const record = { version, size, digests: known?.digests ?? [] }
    await writeRecord(storage, this.#paths, record)
    this.#status = { ...this.#status, record }
  }

  /** Stores the digests before the bytes become a blob. If the process ends before they are linked, a
   *  repeated commit knows which blob it was. */
  async #record({ size, digests }: KnownDigests): Promise<void> {
    const { version } = this.#status
    if (size > 0 && version !== undefined)
      await writeRecord(this.#context.storage, this.#paths, { version, size, digests })
  }

  /** Checks the offset of a chunk: the size, as far as it is known. */
  #requireOffset(offset = this.size): number {
    if (offset === this.size) return offset
    throw new RegistryError('RANGE_INVALID', {
      message: `the upload has ${this.size} bytes; the next chunk must start there`,
      detail: { size: this.size, offset },
    })
  }

  get #digests(): UploadDigests {
    return new UploadDigests({ id: this.id, status: this.#status, paths: this.#paths }, this.#context)
  }

  async #commit(digest: Digest): Promise<Descriptor> {
    if (this.size === 0) await this.#requireNoBytes() // there is nothing to move, which would tell
    const algorithm = algorithmOf(digest)
    const atHand = await this.#digests.known(algorithm)
    const known = atHand ?? (await this.#read(algorithm))
    if (!known.digests.includes(digest)) return this.#refuse(digest, known)
    if (atHand === undefined) await this.#record(known)
    const descriptor = await this.#link(digest, known, (canonical) =>
      this.#adopt({ canonical, size: known.size }),
    )
    await this.#remove({ isFinished: true })
    return descriptor
  }

  /** Links the blob that `adopt` moves into the pool. */
  async #link(
    digest: Digest,
    known: KnownDigests,
    adopt: (canonical: Digest) => Promise<void>,
  ): Promise<Descriptor> {
    const { layers } = this.#context
    const canonical = requireAlgorithm(known, CANONICAL)
    const { collection } = this.#context
    const announce = this.#announce
    const since = collection?.mark
    await collection?.protect([canonical])
    const { descriptor } = await this.#writeThrough(digest, async () => {
      const descriptor = { mediaType: OCTET_STREAM, digest, size: known.size }
      const adopted = adopt(canonical)
      const after = announce === undefined ? adopted : settleAll([adopted, announce(descriptor)])
      await settleAll([after, layers.add(canonical, digest, { after })])
      await collection?.confirmBlob(canonical, { since, look: () => this.#requireStored(canonical) })
      return { descriptor, canonical }
    })
    return descriptor
  }

  /** Computes the digests from the bytes. */
  async #read(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    if (this.size > 0 && this.#status.version === undefined) await this.#goOnWithBytes()
    return this.#digests.read(algorithm, this.#status.version)
  }

  /** Checks that the bytes have the known version, or takes over bytes of unknown version, as for an append.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND */
  async #goOnWithBytes(): Promise<void> {
    const { storage } = this.#context
    const { size, version } = this.#status
    const writer = await storage.append(this.#paths.data, { offset: size, version })
    await writer.close()
    this.#status = { ...this.#status, version: writer.version, record: undefined }
  }

  async #adopt(content: PooledContent): Promise<void> {
    const { pool } = this.#context
    const { size, version } = this.#status
    const wasAdopted = size === 0 && content.size > 0
    if (!wasAdopted) await pool.adopt(this.#paths.data, { ...content, version })
  }

  /** A collector may have removed the blob before its link existed, if storing took long.
   *  @throws RegistryError UNAVAILABLE */
  async #requireStored(canonical: Digest): Promise<void> {
    if ((await this.#context.pool.size(canonical)) !== undefined) return
    throw new RegistryError('UNAVAILABLE', {
      message: 'the blob was collected while it was being stored; try again',
    })
  }

  /** Rejects and removes an upload whose bytes have another digest than the client states. */
  async #refuse(digest: Digest, known: KnownDigests): Promise<Descriptor> {
    const error = new RegistryError('DIGEST_INVALID', {
      message: known.problem ?? 'the uploaded bytes have another digest',
      detail: { digest, computed: known.digests, size: known.size },
    })
    if (this.#source === 'memory') throw error // which is not the last word
    if (this.size > 0) await this.#goOnWithBytes()
    const finished = await this.#finishedBefore(digest, known)
    await this.#remove()
    if (finished !== undefined) return finished
    throw error
  }

  /** Completes an interrupted commit: links the blob that the bytes had become. Also if the repetition has
   *  sent the last bytes again, into an upload without the others. */
  async #finishedBefore(digest: Digest, known: KnownDigests): Promise<Descriptor | undefined> {
    const { pool, storage } = this.#context
    const record = await readRecord(storage, this.#paths)
    if (record?.digests.includes(digest)) {
      const canonical = requireAlgorithm(record, CANONICAL)
      if (await pool.holds({ canonical, size: record.size }))
        return this.#link(digest, record, async () => {})
    }
    return known.size === 0 ? this.#inRepository(digest) : undefined
  }

  async #requireNoBytes(): Promise<void> {
    const { storage } = this.#context
    const size = (await dataSoFar(storage, this.#paths))?.size ?? 0
    if (size > 0) throw new StorageError('OFFSET_INVALID', { path: this.#paths.data })
  }

  /** The result of a repeated commit, whose upload is gone but whose blob exists. */
  async #committedBefore(digest: Digest, error: unknown): Promise<Descriptor> {
    const isGone = error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN'
    if (!isGone && !isPathNotFound(error)) throw error
    const finished = await this.#inRepository(digest)
    if (finished === undefined) throw this.#unknown()
    return finished
  }

  /** The repository's blob of this name, if it exists by now. */
  async #inRepository(digest: Digest): Promise<Descriptor | undefined> {
    const { pool, layers } = this.#context
    const canonical = await layers.get(digest)
    const size = canonical && (await pool.size(canonical))
    if (size !== undefined) await layers.settle(digest)
    return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
  }

  /** Removes the upload. If this process began and committed it, its folder has no other files and is not
   *  listed. */
  async #remove({ isFinished = false } = {}): Promise<void> {
    const { sessions, storage } = this.#context
    sessions.end(this.id)
    const knownChildren = isFinished && this.#status.isOwn ? { knownChildren: UPLOAD_FILES } : {}
    await storage.delete(this.#paths.folder, { durable: false, ...knownChildren })
  }

  #unknown(): RegistryError {
    return new RegistryError('BLOB_UPLOAD_UNKNOWN', { detail: { upload: this.id } })
  }
}

async function copy(
  source: AsyncIterable<Uint8Array>,
  { writer, running }: { writer: FileWriter; running: RunningDigests | undefined },
): Promise<void> {
  for await (const chunk of source) {
    const behind = running?.update(chunk)
    const full = writer.write(chunk)
    if (full !== undefined) await full
    if (behind !== undefined) await behind
  }
}

const WHILE_WRITING: readonly StorageErrorCode[] = ['OFFSET_INVALID', 'PATH_NOT_FOUND']

function outOfStep(cause: unknown): RegistryError {
  return new RegistryError('RANGE_INVALID', { message: 'the upload has changed', cause })
}

/** True if the error may come from an outdated status. */
function contradicts(error: unknown, source: StatusSource): boolean {
  if (source === 'bytes') return false
  if (error instanceof StorageError) return ['OFFSET_INVALID', 'PATH_NOT_FOUND'].includes(error.code)
  if (source === 'storage') return false
  return error instanceof RegistryError && ['RANGE_INVALID', 'DIGEST_INVALID'].includes(error.code)
}
