import type { AppendedObjects } from './appended-object.ts'
import type { Bucket } from './bucket.ts'
import { isNotImplemented } from './errors.ts'

/** Removes objects, and open multipart uploads to their keys. An upload is aborted first, so that it can't be
 *  completed after the removal. */
export class Removal {
  readonly #objects: AppendedObjects
  readonly #bucket: Bucket

  constructor(objects: AppendedObjects) {
    this.#objects = objects
    this.#bucket = objects.bucket
  }

  /** Removes a key that may be a file or a folder. */
  async all(key: string): Promise<void> {
    await Promise.all([this.#object(key), this.#folder(`${key}/`)])
  }

  /** Removes objects without open multipart uploads. */
  finished(keys: readonly string[]): Promise<void> {
    return this.#bucket.removeAll(keys)
  }

  async #object(key: string): Promise<void> {
    const state = await this.#objects.look(key)
    if (state === undefined) return
    if (state.kind === 'record') await this.#bucket.abortUpload({ key, uploadId: state.uploadId })
    await this.#bucket.remove(key)
  }

  async #folder(prefix: string): Promise<void> {
    let isFirst = true
    for await (const keys of this.#bucket.pages(prefix)) {
      if (isFirst && keys.length > 0) await this.#uploads(prefix)
      isFirst = false
      await this.#bucket.removeAll(keys)
    }
  }

  /** Aborts the uploads below a prefix, which only the store can list. */
  async #uploads(prefix: string): Promise<void> {
    try {
      for await (const upload of this.#bucket.openUploads(prefix)) {
        await this.#bucket.abortUpload(upload)
        await this.#bucket.remove(upload.key)
      }
    } catch (error) {
      if (!isNotImplemented(error)) throw error
    }
  }
}
