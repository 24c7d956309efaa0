import type { Descriptor } from '../../core/descriptor.ts'
import { OCTET_STREAM } from '../../core/descriptor.ts'
import type { StoredContent } from '../../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest, type DigestAlgorithm } from '../../core/digest.ts'
import { isPathNotFound, RegistryError, StorageError, type StorageErrorCode } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { BlobUpload, UploadAppendOptions } from '../../core/registry.ts'
import type { FileWriter } from '../../core/storage-driver.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { PooledContent } from '../blobs/blob-pool.ts'
import type { RepositoryContext } from '../context.ts'
import { UPLOAD_FILES, type UploadPaths } from '../paths.ts'
import type { KnownDigests, RunningDigests } from './running-digests.ts'
import { requireAlgorithm, UploadDigests } from './upload-digests.ts'
import { readRecord, writeRecord } from './upload-files.ts'
import { dataSoFar, findUpload, type UploadStatus } from './upload-status.ts'

/** Where an upload belongs. */
export interface UploadPlace {
  readonly repository: RepositoryContext
  readonly paths: UploadPaths
  /** Does what makes the bytes a blob of the repository, and lets the cache know. */
  readonly writeThrough: (digest: Digest, work: () => Promise<StoredContent>) => Promise<StoredContent>
}

/** How far what is known of an upload can be trusted: this process remembers it; storage said so, and what is kept beside the
 *  bytes; or the bytes were looked at. */
export type StatusSource = 'memory' | 'storage' | 'bytes'

export interface UploadState {
  readonly id: string
  readonly status: UploadStatus
  readonly source: StatusSource
}

/** An upload whose truth is on storage: any process can continue it. The digests of the bytes so far are kept beside
 *  them after every chunk, so that whoever finishes it need not read them again.
 *
 *  What is written to or moved is always a certain version of the bytes: the one whose digests are known. Where storage has
 *  another, nothing was done, and it is looked at again, at last at the bytes themselves. Nothing is refused or removed
 *  on the word of memory. */
export class StoredUpload implements BlobUpload {
  readonly id: string
  readonly repository: RepositoryName
  #status: UploadStatus
  #source: StatusSource
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
        // Somebody else is removing it.
        throw isPathNotFound(error) ? this.#unknown() : error
      }),
    )
  }

  commit(digest: Digest): Promise<Descriptor> {
    return this.#exclusively(() =>
      this.#asKnown(() => this.#commit(digest)).catch((error) => this.#committedBefore(digest, error)),
    )
  }

  cancel(): Promise<void> {
    return this.#exclusively(() => this.#remove())
  }

  /** While something is done to the upload nothing of it is remembered, nor when that failed. */
  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const { sessions } = this.#context
    return sessions.exclusively(this.id, () => {
      sessions.forget(this.#paths)
      return work()
    })
  }

  /** Does what goes by the facts. Where these prove wrong, it is done again by what is seen when looking closer: so the work
   *  must not have changed anything when it says so. */
  async #asKnown<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (!contradicts(error, this.#source)) throw await this.#explained(error)
      await this.#lookCloser(error)
    }
    return this.#asKnown(work)
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN, RANGE_INVALID; the error that was the reason, when the bytes are gone */
  async #lookCloser(reason: unknown): Promise<void> {
    const { size } = this.#status
    await this.#lookUp()
    if (this.#source === 'memory') {
      this.#source = 'storage'
      return
    }
    if (this.size === 0 && isPathNotFound(reason)) throw reason
    if (this.size !== size) throw outOfStep(reason)
    // As long as before, and yet not what was kept beside it.
    this.#status = { ...this.#status, version: undefined, record: undefined }
    this.#source = 'bytes'
  }

  /** @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  async #lookUp(): Promise<void> {
    const { storage } = this.#context
    const found = await findUpload(storage, { paths: this.#paths, withOwner: false })
    if (found === undefined) throw this.#unknown()
    // Somebody else was here: the hash may be that of other bytes.
    this.#context.sessions.end(this.id)
    this.#status = { ...found, owner: this.#status.owner }
  }

  /** Somebody else wrote to the upload since it was looked up: the client is told how far it is by now. What is kept beside
   *  the bytes is not believed again. */
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
    { offset, last = false }: UploadAppendOptions,
  ): Promise<void> {
    const { storage, sessions } = this.#context
    const writer = await this.#asKnown(() =>
      storage.append(this.#paths.data, {
        offset: this.#requireOffset(offset),
        version: this.#status.version,
      }),
    )
    const isBegun = this.size > 0
    const running = this.#digests.running()
    try {
      await this.#fill(writer, { source, running, last })
    } catch (error) {
      await this.#keep(running).catch(() => undefined) // the first error is the one to hear of
      // Where storage looks at the file only when it writes, it may be gone by then.
      throw await this.#explained(error, WHILE_WRITING)
    }
    // The only bytes of an upload come again when its finish is repeated; those before the last ones do not.
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
      await copy(source, { writer, running })
      await writer.sync({ dataOnly: last })
    } finally {
      try {
        await writer.close()
      } finally {
        const { size, version } = writer
        this.#status = { ...this.#status, size, version, record: undefined, lastWrittenAt: new Date() }
        // Of bytes that could not be kept the hash knows all the same: it must not stand for others in their place.
        if (running?.size === size && version !== undefined) running.version = version
        else this.#context.sessions.end(this.id)
      }
    }
  }

  /** Lets whoever goes on with the upload know which bytes they are, and by which digests as far as these are known. */
  async #keep(running: RunningDigests | undefined): Promise<void> {
    const { storage } = this.#context
    const { size, version } = this.#status
    if (version === undefined) return
    const digests = running?.version === version ? running.snapshot().digests : []
    const record = { version, size, digests }
    await writeRecord(storage, this.#paths, record)
    this.#status = { ...this.#status, record }
  }

  /** Should this process end when the bytes have become a blob and are not linked, whoever repeats the finish knows which they were. */
  async #record({ size, digests }: KnownDigests): Promise<void> {
    const { version } = this.#status
    if (size > 0 && version !== undefined)
      await writeRecord(this.#context.storage, this.#paths, { version, size, digests })
  }

  /** The offset the file must have: its size as far as is known. */
  #requireOffset(offset = this.size): number {
    if (offset === this.size) return offset
    throw new RegistryError('RANGE_INVALID', {
      message: `the upload has ${this.size} bytes; the next one is expected there`,
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

  /** Makes a blob of the repository of what `adopt` brings into the pool. */
  async #link(
    digest: Digest,
    known: KnownDigests,
    adopt: (canonical: Digest) => Promise<void>,
  ): Promise<Descriptor> {
    const { layers } = this.#context
    const canonical = requireAlgorithm(known, CANONICAL)
    const { collection } = this.#context
    const since = collection?.mark
    await collection?.protect([canonical])
    const { descriptor } = await this.#writeThrough(digest, async () => {
      const adopted = adopt(canonical)
      await settleAll([adopted, layers.add(canonical, digest, { after: adopted })])
      await collection?.confirmBlob(canonical, { since, look: () => this.#requireStored(canonical) })
      return { descriptor: { mediaType: OCTET_STREAM, digest, size: known.size }, canonical }
    })
    return descriptor
  }

  /** The digests of the bytes themselves. */
  async #read(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    if (this.size > 0 && this.#status.version === undefined) await this.#goOnWithBytes()
    return this.#digests.read(algorithm, this.#status.version)
  }

  /** Makes sure that the bytes are what is known, or takes over those that nobody vouches for: as for more of them.
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

  /** A collector can have removed it before its link stood, if storing it took long.
   *  @throws RegistryError UNAVAILABLE */
  async #requireStored(canonical: Digest): Promise<void> {
    if ((await this.#context.pool.size(canonical)) !== undefined) return
    throw new RegistryError('UNAVAILABLE', {
      message: 'the blob was collected while it was stored; try again',
    })
  }

  /** The bytes have another digest than the client says. */
  async #refuse(digest: Digest, known: KnownDigests): Promise<Descriptor> {
    const error = new RegistryError('DIGEST_INVALID', {
      message: 'the uploaded bytes have another digest',
      detail: { digest, computed: known.digests, size: known.size },
    })
    if (this.#source === 'memory') throw error // which is not the last word
    if (this.size > 0) await this.#goOnWithBytes()
    const finished = await this.#finishedBefore(digest, known)
    await this.#remove()
    if (finished !== undefined) return finished
    throw error
  }

  /** A finish that was cut short can have left a part of the upload without the bytes. Where it could not link the blob that
   *  they had become, its repetition does, also if that has brought the last bytes again. */
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

  /** A finish that is repeated, or comes second, finds the bytes gone from the upload and the blob in the repository. */
  async #committedBefore(digest: Digest, error: unknown): Promise<Descriptor> {
    const isGone = error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN'
    if (!isGone && !isPathNotFound(error)) throw error
    const finished = await this.#inRepository(digest)
    if (finished === undefined) throw this.#unknown()
    return finished
  }

  /** The blob of this name that the repository has by now. */
  async #inRepository(digest: Digest): Promise<Descriptor | undefined> {
    const { pool, layers } = this.#context
    const canonical = await layers.get(digest)
    const size = canonical && (await pool.size(canonical))
    if (size !== undefined) await layers.settle(digest)
    return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
  }

  /** One that was finished by whoever began it need not be listed: nobody else has put anything there. */
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
    running?.update(chunk)
    const full = writer.write(chunk)
    if (full !== undefined) await full
  }
}

const WHILE_WRITING: readonly StorageErrorCode[] = ['OFFSET_INVALID', 'PATH_NOT_FOUND']

function outOfStep(cause: unknown): RegistryError {
  return new RegistryError('RANGE_INVALID', { message: 'the upload has other bytes by now', cause })
}

/** True for what may come of facts that are not so any more. */
function contradicts(error: unknown, source: StatusSource): boolean {
  if (source === 'bytes') return false
  if (error instanceof StorageError) return ['OFFSET_INVALID', 'PATH_NOT_FOUND'].includes(error.code)
  if (source === 'storage') return false
  return error instanceof RegistryError && ['RANGE_INVALID', 'DIGEST_INVALID'].includes(error.code)
}
