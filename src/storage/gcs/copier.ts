import { StorageError } from '../../core/errors.ts'
import type { Bucket } from './bucket.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import { isFile } from './object-info.ts'
import { NO_GENERATION, type ObjectVersion, versionOf } from './version.ts'

export interface Copy extends Source {
  /** The target's key. */
  readonly target: string
  /** False if an existing target stays. */
  readonly replace: boolean
}

export interface Source {
  readonly key: string
  /** The driver's path, for errors. */
  readonly path: string
  /** Required version. Default: any. */
  readonly version: ObjectVersion | undefined
}

/** Copies files within the bucket, each of a known generation. */
export class Copier {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** Copies a file.
   *  @returns the copy's version; undefined if the target exists and is not to be replaced
   *  @throws CallFailed; StorageError PATH_NOT_FOUND, or OFFSET_INVALID if the source has another version */
  async copy(copy: Copy): Promise<ObjectVersion | undefined> {
    const { target, replace, ...source } = copy
    const version = source.version ?? (await this.find(source))
    try {
      const ifGeneration = replace ? undefined : NO_GENERATION
      await this.#bucket.copy(source.key, target, { ifGeneration, ifSourceGeneration: version.generation })
      return version
    } catch (cause) {
      if (!isConditionFailed(cause) && !isNotFound(cause)) throw cause
      // The error does not say whether the source's or the target's condition failed.
      const standing = await this.find(source)
      // Possible only if any version may be copied: another process has written meanwhile.
      if (standing.generation !== version.generation) return this.copy(copy)
      if (isConditionFailed(cause) && !replace) return undefined
      throw cause
    }
  }

  /** The present version of the source.
   *  @throws CallFailed; StorageError PATH_NOT_FOUND, or OFFSET_INVALID if it has another version */
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
