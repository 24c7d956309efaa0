import type { Descriptor } from '../core/descriptor.ts'
import { OCTET_STREAM } from '../core/descriptor.ts'
import type { StoredContent } from '../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest, type DigestAlgorithm, isDigest } from '../core/digest.ts'
import { isPathNotFound, RegistryError, StorageError } from '../core/errors.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { BlobUpload, UploadAppendOptions } from '../core/registry.ts'
import type { FileWriter, StorageDriver } from '../core/storage-driver.ts'
import { allDone } from './all-done.ts'
import type { BlobPool } from './blob-pool.ts'
import type { LinkSet } from './links.ts'
import type { UploadPaths } from './paths.ts'
import { type KnownDigests, RunningDigests, type UploadSessions } from './upload-sessions.ts'

export interface UploadContext {
  readonly repository: RepositoryName
  readonly paths: UploadPaths
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly layers: LinkSet
  readonly sessions: UploadSessions
  /** Does what makes the bytes a blob of the repository, and lets the cache know. */
  readonly learn: (digest: Digest, work: () => Promise<StoredContent>) => Promise<StoredContent>
}

export interface UploadState {
  readonly id: string
  readonly startedAt: Date
  readonly lastWrittenAt: Date
  readonly size: number
}

/** An upload whose truth is on storage: any process can continue it. The digests of the bytes so far are kept beside
 *  them after every chunk, so that whoever finishes it need not read them again. */
export class StoredUpload implements BlobUpload {
  readonly id: string
  readonly repository: RepositoryName
  readonly startedAt: Date
  readonly lastWrittenAt: Date
  #size: number
  readonly #context: UploadContext

  constructor(state: UploadState, context: UploadContext) {
    this.id = state.id
    this.repository = context.repository
    this.startedAt = state.startedAt
    this.lastWrittenAt = state.lastWrittenAt
    this.#size = state.size
    this.#context = context
  }

  get size(): number {
    return this.#size
  }

  append(source: AsyncIterable<Uint8Array>, options: UploadAppendOptions = {}): Promise<void> {
    return this.#context.sessions.exclusively(this.id, () => this.#append(source, options))
  }

  finish(digest: Digest): Promise<Descriptor> {
    return this.#context.sessions.exclusively(this.id, () =>
      this.#finish(digest).catch((error) => this.#finishedBefore(digest, error)),
    )
  }

  cancel(): Promise<void> {
    return this.#context.sessions.exclusively(this.id, () => this.#remove())
  }

  async #append(
    source: AsyncIterable<Uint8Array>,
    { offset, last = false }: UploadAppendOptions,
  ): Promise<void> {
    const { storage, paths } = this.#context
    const writer = await storage.append(paths.data, { offset: this.#requireOffset(offset) }).catch(outOfStep)
    const running = this.#runningFrom(writer.size)
    try {
      await copy(source, { writer, running })
      await writer.sync({ name: !last })
    } finally {
      await writer.close().finally(() => {
        this.#size = writer.size
        // Of bytes that could not be kept the hash knows all the same: it must not stand for others in their place.
        if (running?.size !== writer.size) this.#context.sessions.end(this.id)
      })
    }
    if (!last && running !== undefined) await this.#remember(running.snapshot())
  }

  /** The offset the file must have: what was on storage when the upload was looked up. */
  #requireOffset(offset = this.#size): number {
    if (offset === this.#size) return offset
    throw new RegistryError('RANGE_INVALID', {
      message: `the upload has ${this.#size} bytes; the next one is expected there`,
      detail: { size: this.#size, offset },
    })
  }

  #runningFrom(size: number): RunningDigests | undefined {
    const { sessions } = this.#context
    return sessions.running(this.id, size) ?? (size === 0 ? sessions.begin(this.id, []) : undefined)
  }

  async #finish(digest: Digest): Promise<Descriptor> {
    const { pool, layers, paths, learn } = this.#context
    await this.#requireSize()
    const known = await this.#digests(algorithmOf(digest))
    if (!known.digests.includes(digest)) {
      const finished = known.size === 0 ? await this.#inRepository(digest) : undefined
      await this.#remove()
      // Cut short while it removed the upload, a finish has left a part of it without the bytes.
      if (finished !== undefined) return finished
      throw new RegistryError('DIGEST_INVALID', {
        message: 'the uploaded bytes have another digest',
        detail: { digest, computed: known.digests, size: known.size },
      })
    }
    const canonical = requireAlgorithm(known, CANONICAL)
    const { descriptor } = await learn(digest, async () => {
      const adopted = pool.adopt(paths.data, { canonical, size: known.size })
      await allDone([adopted, layers.add(canonical, digest, { after: adopted })])
      return { descriptor: { mediaType: OCTET_STREAM, digest, size: known.size }, canonical }
    })
    await this.#remove()
    return descriptor
  }

  /** The digests are those of as many bytes as there were when the upload was looked up. */
  async #requireSize(): Promise<void> {
    const info = await this.#context.storage.stat(this.#context.paths.data).catch((error) => {
      if (this.#size > 0 || !isPathNotFound(error)) throw error
    })
    const size = info?.kind === 'file' ? info.size : 0
    if (size === this.#size) return
    this.#size = size
    throw new RegistryError('RANGE_INVALID', { message: OUT_OF_STEP })
  }

  /** A finish that is repeated, or comes second, finds the bytes gone from the upload and the blob in the repository. */
  async #finishedBefore(digest: Digest, error: unknown): Promise<Descriptor> {
    if (!isPathNotFound(error)) throw error
    const finished = await this.#inRepository(digest)
    if (finished === undefined)
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', { detail: { upload: this.id } })
    return finished
  }

  /** The blob of this name that the repository has by now. */
  async #inRepository(digest: Digest): Promise<Descriptor | undefined> {
    const { pool, layers } = this.#context
    const canonical = await layers.get(digest)
    const size = canonical && (await pool.size(canonical))
    return size === undefined ? undefined : { mediaType: OCTET_STREAM, digest, size }
  }

  /** From the live hash, from what was kept beside the bytes, or from the bytes, whichever is at hand. */
  async #digests(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    const sufficient = (known: KnownDigests) =>
      known.digests.some((digest) => algorithmOf(digest) === algorithm)
    const running = this.#context.sessions.running(this.id, this.#size)?.snapshot()
    if (running !== undefined && sufficient(running)) return running
    const remembered = await this.#recall()
    if (remembered !== undefined && sufficient(remembered)) {
      if (remembered.size === this.#size || (await this.#wasAdopted(remembered))) return remembered
    }
    return this.#readAgain(algorithm)
  }

  /** True when a finish was cut short after the bytes had become a blob: the repetition only has to link it. */
  async #wasAdopted(remembered: KnownDigests): Promise<boolean> {
    if (this.#size !== 0) return false
    return (await this.#context.pool.size(requireAlgorithm(remembered, CANONICAL))) === remembered.size
  }

  async #readAgain(algorithm: DigestAlgorithm): Promise<KnownDigests> {
    const running = new RunningDigests([algorithm])
    if (this.#size > 0) {
      for await (const chunk of this.#context.storage.read(this.#context.paths.data)) running.update(chunk)
    }
    return running.snapshot()
  }

  async #remember(known: KnownDigests): Promise<void> {
    await this.#context.storage.put(this.#context.paths.digests, Buffer.from(JSON.stringify(known)), {
      durable: false,
    })
  }

  async #recall(): Promise<KnownDigests | undefined> {
    try {
      return parseKnownDigests(
        Buffer.from(await this.#context.storage.get(this.#context.paths.digests)).toString(),
      )
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  async #remove(): Promise<void> {
    this.#context.sessions.end(this.id)
    await this.#context.storage.delete(this.#context.paths.folder, { durable: false })
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

const OUT_OF_STEP = 'the upload has another size by now'

/** Somebody else wrote to the upload since it was looked up. */
function outOfStep(error: unknown): never {
  if (error instanceof StorageError && error.code === 'OFFSET_INVALID') {
    throw new RegistryError('RANGE_INVALID', { message: OUT_OF_STEP, cause: error })
  }
  throw error
}

function requireAlgorithm(known: KnownDigests, algorithm: DigestAlgorithm): Digest {
  const digest = known.digests.find((candidate) => algorithmOf(candidate) === algorithm)
  if (digest === undefined) throw new Error(`no ${algorithm} digest was computed`)
  return digest
}

/** Undefined for anything that is not what `#remember` wrote: it is only a shortcut. */
function parseKnownDigests(text: string): KnownDigests | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const { size, digests } = (value ?? {}) as Partial<KnownDigests>
  if (!Number.isSafeInteger(size) || !Array.isArray(digests) || !digests.every(isDigest)) return undefined
  return digests.some((digest) => algorithmOf(digest) === CANONICAL)
    ? { size: size as number, digests }
    : undefined
}
