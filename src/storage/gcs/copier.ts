import { isPathNotFound, StorageError } from '../../core/errors.ts'
import type { Bucket, CopyOptions } from './bucket.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import { type Base, baseOf } from './writer.ts'

export interface Copy extends CopyOptions {
  readonly source: string
  readonly target: string
  /** How long the source must be. Absent: whatever it is. */
  readonly size?: number | undefined
}

/** Copies files within the bucket. */
export class Copier {
  readonly #bucket: Bucket
  readonly #written: Pick<Map<string, Base>, 'get'>

  /** @param written what this process has appended to last, by key */
  constructor(bucket: Bucket, written: Pick<Map<string, Base>, 'get'>) {
    this.#bucket = bucket
    this.#written = written
  }

  /** @param path what the driver's caller calls the source
   *  @returns false when something stands at the target that was not to be replaced
   *  @throws CallFailed; StorageError PATH_NOT_FOUND, or OFFSET_INVALID when the source is not `size` bytes long */
  copy(path: string, { size, ...copy }: Copy): Promise<boolean> {
    return size === undefined ? this.#copy(path, copy) : this.#copySized(path, { ...copy, size })
  }

  async #copy(path: string, { source, target, ...conditions }: Copy): Promise<boolean> {
    try {
      await this.#bucket.copy(source, target, conditions)
      return true
    } catch (cause) {
      if (isConditionFailed(cause)) return false
      throw isNotFound(cause) ? new StorageError('PATH_NOT_FOUND', { path, cause }) : cause
    }
  }

  /** The source is looked at where it was not last written here, or the copy was refused: it may be another by now. */
  async #copySized(path: string, { size, ...copy }: Copy & { size: number }): Promise<boolean> {
    const written = this.#written.get(copy.source)
    let isRefused = false
    if (written?.size === size) {
      const { generation } = written
      const isCopied = await this.#copy(path, { ...copy, sourceGeneration: generation }).catch(unlessMissing)
      if (isCopied === true) return true
      isRefused = isCopied === false
    }
    const found = baseOf(await this.#bucket.find(copy.source))
    if (found.size === undefined) throw new StorageError('PATH_NOT_FOUND', { path })
    if (found.size !== size) throw new StorageError('OFFSET_INVALID', { path })
    return isRefused ? false : this.#copy(path, { ...copy, sourceGeneration: found.generation })
  }
}

function unlessMissing(error: unknown): undefined {
  if (!isPathNotFound(error)) throw error
}
