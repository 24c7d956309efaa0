import type { Digest } from '../core/digest.ts'
import { isPathNotFound } from '../core/errors.ts'
import type { ReadOptions, StorageDriver } from '../core/storage-driver.ts'
import { blobPath } from './paths.ts'

/** The bytes of every blob and manifest, stored once under their canonical digest and shared by all repositories.
 *  The pool knows nothing of who may see what: that is the links' business. */
export class BlobPool {
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** In bytes; undefined when there is no such blob. */
  async size(canonical: Digest): Promise<number | undefined> {
    try {
      const info = await this.#storage.stat(blobPath(canonical))
      return info.kind === 'file' ? info.size : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  read(canonical: Digest, options?: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#storage.read(blobPath(canonical), options)
  }

  redirectUrl(canonical: Digest, method: 'GET' | 'HEAD'): Promise<URL | undefined> {
    return this.#storage.redirectUrl(blobPath(canonical), { method })
  }

  /** A small blob, whole; undefined when there is none. */
  async get(canonical: Digest): Promise<Uint8Array | undefined> {
    try {
      return await this.#storage.get(blobPath(canonical))
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  /** Writes a small blob, over one that may stand there damaged. */
  put(canonical: Digest, content: Uint8Array): Promise<void> {
    return this.#storage.put(blobPath(canonical), content)
  }

  /** Takes a file of checked content over as a blob. One of the right size that stands already is left alone, one of
   *  another size is replaced: pushing again heals. */
  async adopt(path: string, { canonical, size }: { canonical: Digest; size: number }): Promise<void> {
    if ((await this.size(canonical)) === size) return
    if (size === 0) await this.put(canonical, new Uint8Array())
    else await this.#storage.move(path, blobPath(canonical))
  }
}
