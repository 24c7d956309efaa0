import type { Collectable } from '../../core/collection/collectable.ts'
import { Quarantine } from '../../core/collection/quarantine.ts'
import { CANONICAL, type Digest, Digester } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import { SCRUB_COPY } from '../../core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { type CheckOptions, checkBytes } from './check-bytes.ts'

export interface HealingOptions extends CheckOptions {
  readonly content: Collectable
  /** Another storage with the same layout, which may have the same blobs. It is only read. */
  readonly from?: StorageDriver | undefined
}

/** Takes damaged blobs out of the pool, and puts intact copies of blobs into it. */
export class Healing {
  readonly #options: HealingOptions
  readonly #quarantine: Quarantine

  constructor(options: HealingOptions) {
    this.#options = options
    this.#quarantine = new Quarantine(options.content.storage)
  }

  /** Moves a damaged blob into quarantine, so that it is not served again.
   *
   *  A push may replace the bytes at this moment. So the moved file is read once more, and an intact one goes back.
   *  @returns false if the blob is intact after all, or gone */
  async setAside(digest: Digest): Promise<boolean> {
    const { content } = this.#options
    const { storage } = content
    if ((await this.#check(content.pathOf(digest), digest)) !== 'damaged') return false
    const path = this.#quarantine.pathOf(digest, { at: new Date(), reason: 'damaged' })
    try {
      await storage.move(content.pathOf(digest), path)
    } catch (error) {
      if (isPathNotFound(error)) return false
      throw error
    }
    const isDamaged = (await this.#check(path, digest)) === 'damaged'
    if (!isDamaged) await storage.move(path, content.pathOf(digest))
    await content.evict([digest])
    return isDamaged
  }

  /** Puts an intact copy into the pool, if there is one.
   *  @returns where it was; undefined if there is none */
  async heal(digest: Digest): Promise<string | undefined> {
    const { content, from } = this.#options
    const place = content.pathOf(digest)
    for await (const { path, reason } of this.#quarantine.find(digest)) {
      if ((await this.#check(path, digest)) !== 'intact') continue
      // A collection may be about to delete the blob once more.
      if (reason === 'collected') await content.storage.copy(path, place)
      else await content.storage.move(path, place)
      await content.evict([digest])
      return 'quarantine'
    }
    if (from === undefined || !(await this.#copy(from, digest))) return undefined
    await content.evict([digest])
    return 'the other storage'
  }

  #check(path: string, digest: Digest) {
    const { content, onRead, signal } = this.#options
    return checkBytes(content.storage, { path, digest }, { onRead, signal })
  }

  /** Copies a blob of another storage, as an upload is stored: first aside, and once its digest is right into the pool.
   *  @returns false if it is missing there, or damaged too */
  async #copy(from: StorageDriver, digest: Digest): Promise<boolean> {
    const { content, onRead, signal } = this.#options
    const { storage } = content
    const place = content.pathOf(digest)
    const digester = new Digester(CANONICAL)
    await storage.delete(SCRUB_COPY)
    const writer = await storage.append(SCRUB_COPY)
    try {
      for await (const chunk of from.read(place, signal && { signal })) {
        digester.update(chunk)
        await onRead?.(chunk.length)
        await writer.write(Buffer.from(chunk))
      }
      await writer.sync({ dataOnly: true })
    } catch (error) {
      if (isPathNotFound(error)) return false
      throw error
    } finally {
      await writer.close()
    }
    if (digester.digest() !== digest) return false
    if (writer.size === 0) await storage.put(place, new Uint8Array())
    else await storage.move(SCRUB_COPY, place, { version: writer.version })
    return true
  }
}
