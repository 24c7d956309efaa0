import { type AppendedObjects, isRecord, objectKeyOf, recordKey } from './appended-object.ts'
import { isMissing, isNoSuchUpload } from './errors.ts'

/** Removes objects with what is kept beside them: records, and the uploads in parts that these are about. */
export class Removal {
  readonly #objects: AppendedObjects

  constructor(objects: AppendedObjects) {
    this.#objects = objects
  }

  /** What may be a file or a folder. */
  async all(key: string): Promise<void> {
    await Promise.all([this.#object(key), this.#folder(`${key}/`)])
  }

  /** Objects whose uploads in parts, if there were any, have come to their end. */
  finished(keys: readonly string[]): Promise<void> {
    return this.#keys(keys.flatMap((key) => [key, recordKey(key)]))
  }

  async #object(key: string): Promise<void> {
    const { bucket } = this.#objects
    const [uploadId] = await Promise.all([this.#objects.uploadIdOf(key), bucket.remove(key)])
    this.#objects.forget(key)
    if (uploadId === undefined) return
    await this.#abort(key, uploadId)
    await bucket.remove(recordKey(key))
  }

  async #folder(prefix: string): Promise<void> {
    for await (const keys of this.#objects.bucket.pages(prefix)) {
      for (const record of keys.filter(isRecord)) {
        const key = objectKeyOf(record)
        const uploadId = await this.#objects.uploadIdOf(key)
        if (uploadId !== undefined) await this.#abort(key, uploadId)
      }
      await this.#keys(keys)
    }
  }

  /** One that is gone already does no harm. */
  async #abort(key: string, uploadId: string): Promise<void> {
    try {
      await this.#objects.bucket.abortUpload({ key, uploadId })
    } catch (error) {
      if (!isMissing(error) && !isNoSuchUpload(error)) throw error
    }
  }

  async #keys(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#objects.forget(key)
    await this.#objects.bucket.removeAll(keys)
  }
}
