import { Quarantine } from '../../core/collection/quarantine.ts'
import { isPathNotFound } from '../../core/errors.ts'
import { ForwardingDriver } from '../../core/forwarding-driver.ts'
import type { FileInfo, ReadOptions, StorageDriver } from '../../core/storage-driver.ts'
import { digestOfBlobPath } from '../paths.ts'

/** Finds blobs in quarantine that a garbage collection has taken out of the pool. A blob that is missing in the
 *  pool is put back when it is looked for. The copy in quarantine stays: a deletion may be under way still. */
export class RestoringDriver extends ForwardingDriver {
  readonly #quarantine: Quarantine
  readonly #isReadOnly: boolean

  /** @param options.isReadOnly true if blobs are read where they are in quarantine, and nothing is written */
  constructor(driver: StorageDriver, { isReadOnly }: { isReadOnly: boolean }) {
    super(driver)
    this.#quarantine = new Quarantine(driver)
    this.#isReadOnly = isReadOnly
  }

  override stat(path: string): Promise<FileInfo> {
    return this.#restoring(path, (place) => super.stat(place))
  }

  override get(path: string): Promise<Uint8Array> {
    return this.#restoring(path, (place) => super.get(place))
  }

  override read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    const isBlob = digestOfBlobPath(path) !== undefined
    return isBlob ? this.#readBlob(path, options) : super.read(path, options)
  }

  async *#readBlob(path: string, options: ReadOptions | undefined): AsyncIterable<Uint8Array> {
    let found: string | undefined
    let isBegun = false
    try {
      for await (const chunk of super.read(path, options)) {
        isBegun = true
        yield chunk
      }
      return
    } catch (error) {
      if (isBegun || !isPathNotFound(error)) throw error
      found = await this.#restore(path)
      if (found === undefined) throw error
    }
    yield* super.read(found, options)
  }

  async #restoring<Result>(path: string, read: (path: string) => Promise<Result>): Promise<Result> {
    try {
      return await read(path)
    } catch (error) {
      const found = isPathNotFound(error) ? await this.#restore(path) : undefined
      if (found === undefined) throw error
      return read(found)
    }
  }

  /** The path where the bytes of a missing file are now. Undefined if they are in quarantine neither. */
  async #restore(path: string): Promise<string | undefined> {
    const digest = digestOfBlobPath(path)
    if (digest === undefined) return undefined
    for await (const copy of this.#quarantine.find(digest, 'collected')) {
      if (this.#isReadOnly) return copy.path
      await this.driver.copy(copy.path, path)
      return path
    }
    return undefined
  }
}
