import { StorageError } from '../../core/errors.ts'
import type { Bucket } from './bucket.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import { isFile } from './object-info.ts'
import { NO_GENERATION, type ObjectVersion, versionOf } from './version.ts'

export interface Copy extends Source {
  /** The key to copy to. */
  readonly target: string
  /** False where what stands at the target stays. */
  readonly replace: boolean
}

export interface Source {
  readonly key: string
  /** What the driver's caller calls it. */
  readonly path: string
  /** Which version it must be. Absent: whatever it is. */
  readonly version: ObjectVersion | undefined
}

/** Copies files within the bucket, each as of one generation that is known before. */
export class Copier {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** @returns what was copied; undefined when something stands at the target that was not to be replaced
   *  @throws CallFailed; StorageError PATH_NOT_FOUND, or OFFSET_INVALID when the source is another version */
  async copy(copy: Copy): Promise<ObjectVersion | undefined> {
    const { target, replace, ...source } = copy
    const version = source.version ?? (await this.find(source))
    try {
      const ifGeneration = replace ? undefined : NO_GENERATION
      await this.#bucket.copy(source.key, target, { ifGeneration, ifSourceGeneration: version.generation })
      return version
    } catch (cause) {
      if (!isConditionFailed(cause) && !isNotFound(cause)) throw cause
      // It does not say whether the source or the target is at fault.
      const standing = await this.find(source)
      // Only where any version will do: somebody has written meanwhile.
      if (standing.generation !== version.generation) return this.copy(copy)
      if (isConditionFailed(cause) && !replace) return undefined
      throw cause
    }
  }

  /** The source as it is.
   *  @throws CallFailed; StorageError PATH_NOT_FOUND, or OFFSET_INVALID when it is another version */
  async find({ key, path, version }: Source): Promise<ObjectVersion> {
    const found = await this.#bucket.find(key)
    const standing = isFile(found) ? versionOf(found) : undefined
    if (standing === undefined) throw new StorageError('PATH_NOT_FOUND', { path })
    if (version !== undefined && version.generation !== standing.generation) {
      throw new StorageError('OFFSET_INVALID', { path })
    }
    return standing
  }
}
