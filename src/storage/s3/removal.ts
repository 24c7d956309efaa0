import type { AppendedObjects } from './appended-object.ts'
import type { Bucket } from './bucket.ts'
import { isNotImplemented } from './errors.ts'

/** Removes objects, and the open multipart uploads to their keys. An upload is aborted first: after that, no object is made of it
 *  any more, and one that was made before is removed. */
export class Removal {
  readonly #objects: AppendedObjects
  readonly #bucket: Bucket

  constructor(objects: AppendedObjects) {
    this.#objects = objects
    this.#bucket = objects.bucket
  }

  /** What may be a file or a folder. */
  async all(key: string): Promise<void> {
    await Promise.all([this.#object(key), this.#folder(`${key}/`)])
  }

  /** Objects whose uploads in parts, if there were any, have come to their end. */
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

  /** Which keys have one, only the store can say at once. */
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
