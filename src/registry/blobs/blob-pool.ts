import { LRUCache } from 'lru-cache'
import { CANONICAL, type Digest, Digester, digestOf } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type {
  ByteRange,
  FileVersion,
  ReadOptions,
  RedirectedClient,
  StorageDriver,
} from '../../core/storage-driver.ts'
import { atMost } from '../../lib/at-most.ts'
import { blobPath } from '../paths.ts'
import type { ContentCache } from './content-cache.ts'

export interface BlobPoolParts {
  readonly storage: StorageDriver
  readonly small: ContentCache
  readonly log: Log
}

/** Location and size of content. */
export interface PooledContent {
  readonly canonical: Digest
  readonly size: number
}

/** A file of an upload whose bytes were hashed. */
export interface CheckedFile extends PooledContent {
  readonly version: FileVersion | undefined
}

const MAX_VERIFIED = 10_000

/** The bytes of every blob and manifest, stored once under their canonical digest and shared by all
 *  repositories. Small content is checked against its digest when it is read, and then kept in memory. Links
 *  decide which repository has it. */
export class BlobPool {
  readonly #storage: StorageDriver
  readonly #small: ContentCache
  readonly #log: Log
  /** Sizes of the blobs whose bytes this process has hashed and stored durably. */
  readonly #verified = new LRUCache<Digest, number>(atMost(MAX_VERIFIED))

  constructor({ storage, small, log }: BlobPoolParts) {
    this.#storage = storage
    this.#small = small
    this.#log = log
  }

  /** Size in bytes. Undefined if the blob does not exist. */
  async size(canonical: Digest): Promise<number | undefined> {
    try {
      const info = await this.#storage.stat(blobPath(canonical))
      return info.kind === 'file' ? info.size : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  /** The bytes, if they are in memory. */
  getIfCached(canonical: Digest): Uint8Array | undefined {
    return this.#small.get(canonical)
  }

  /** The bytes of a blob, or of a range of it. A small blob is checked before its first byte is returned.
   *  @throws RegistryError BLOB_UNKNOWN; StorageError PATH_NOT_FOUND, or OFFSET_INVALID if it is shorter than
   *    `size` */
  read({ canonical, size }: PooledContent, { range, signal }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const asked = range ?? { start: 0, end: size - 1 }
    return this.#small.admits(size)
      ? this.#readSmall(canonical, asked)
      : this.#storage.read(blobPath(canonical), { range: asked, signal })
  }

  /** Drops content whose file another process has removed. */
  forget(canonical: Digest): void {
    this.#small.delete(canonical)
    this.#verified.delete(canonical)
  }

  redirectUrl(canonical: Digest, client: RedirectedClient): Promise<URL | undefined> {
    return this.#storage.redirectUrl(blobPath(canonical), client)
  }

  /** A small blob, checked against its digest. Undefined if it is missing or damaged. */
  async get(canonical: Digest): Promise<Uint8Array | undefined> {
    return this.#small.get(canonical) ?? this.#load(canonical)
  }

  /** Writes a small blob, also over a damaged one. */
  async put(canonical: Digest, content: Uint8Array): Promise<void> {
    await this.#storage.put(blobPath(canonical), content)
    this.#small.keep(canonical, content)
  }

  /** Moves a file of checked content into the pool. An existing blob is kept only if this process knows its
   *  bytes. Others are replaced, because the size proves little, and so a repeated push repairs damage.
   *  @param version the version of the file whose bytes have the digest
   *  @throws StorageError OFFSET_INVALID if the file has changed; PATH_NOT_FOUND */
  async adopt(path: string, { canonical, size, version }: CheckedFile): Promise<void> {
    if (size === 0) return this.put(canonical, new Uint8Array())
    const place = blobPath(canonical)
    const replace = !this.#verified.has(canonical)
    const isMoved = await this.#storage.move(path, place, { version, replace, mayStay: true })
    if (!isMoved && !(await this.#isIntact({ canonical, size })))
      await this.#storage.move(path, place, { version, mayStay: true })
    this.#verified.set(canonical, size)
  }

  /** True if a blob of these bytes is stored durably. Unless this process knows them they are read, because
   *  another process may have written them just now. */
  async holds({ canonical, size }: PooledContent): Promise<boolean> {
    if ((await this.size(canonical)) !== size) return false
    if (this.#verified.get(canonical) === size) return true
    await this.#storage.settle(blobPath(canonical))
    const digester = new Digester(CANONICAL)
    for await (const chunk of this.#storage.read(blobPath(canonical))) digester.update(chunk)
    if (digester.digest() !== canonical) return false
    this.#verified.set(canonical, size)
    return true
  }

  async #load(canonical: Digest): Promise<Uint8Array | undefined> {
    let content: Uint8Array
    try {
      content = await this.#storage.get(blobPath(canonical))
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
    if (digestOf(content) === canonical) return this.#small.keep(canonical, content)
    this.#log.error({ digest: canonical }, 'stored content is damaged and is not served; push it again')
    return undefined
  }

  /** Checks the bytes on storage, without caches. */
  async #isIntact({ canonical, size }: PooledContent): Promise<boolean> {
    if ((await this.size(canonical)) !== size) return false
    return !this.#small.admits(size) || (await this.#load(canonical)) !== undefined
  }

  async *#readSmall(canonical: Digest, { start, end }: ByteRange): AsyncIterable<Uint8Array> {
    const content = await this.get(canonical)
    if (content === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest: canonical } })
    yield content.subarray(start, end + 1)
  }
}
