import type { AppendedObjects } from '../appended-object.ts'
import type { Bucket } from '../bucket.ts'
import { isOther, MAX_ATTEMPTS } from '../errors.ts'
import type { Removal } from '../removal.ts'
import type { KnownBytes } from '../versions.ts'
import { copyObject } from './copy.ts'

export interface ObjectMove {
  /** A key. */
  readonly to: string
  readonly replace: boolean
  /** True if the object may stay under its old key too. */
  readonly mayStay: boolean
}

/** Moves of objects, which are copies and removals. */
export class Moves {
  readonly #bucket: Bucket
  readonly #objects: AppendedObjects
  readonly #removal: Removal

  constructor(parts: { bucket: Bucket; objects: AppendedObjects; removal: Removal }) {
    this.#bucket = parts.bucket
    this.#objects = parts.objects
    this.#removal = parts.removal
  }

  /** Moves an object whose bytes are known.
   *  @returns false if another one is at its new key, and is to stay */
  async known(from: string, known: KnownBytes, { to, replace, mayStay }: ObjectMove): Promise<boolean> {
    const { isDone } = await this.#copy(from, { to, replace, known })
    if (isDone && !mayStay && from !== to) await this.#removal.finished([from])
    return isDone
  }

  /** Moves the object of any version. If another process replaces it meanwhile, the new one is moved, or stays.
   *  @returns as `known` */
  async whatStands(from: string, { to, replace, mayStay }: ObjectMove): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { isDone, etag } = await this.#copy(from, { to, replace, known: undefined })
        if (isDone && !mayStay && from !== to) await this.#bucket.removeUnchanged(from, etag)
        return isDone
      } catch (error) {
        if (!isOther(error) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  async #copy(
    from: string,
    { to, replace, known }: { to: string; replace: boolean; known: KnownBytes | undefined },
  ): Promise<{ isDone: boolean; etag: string | undefined }> {
    const object = await this.#objects.objectOf(from, known)
    const { etag } = object
    if (from !== to)
      return { isDone: await copyObject(this.#objects, { from, object }, { to, replace }), etag }
    await this.#objects.require(from, object)
    return { isDone: replace, etag }
  }
}
