import { StorageError } from '../../core/errors.ts'
import { requireFolder, requirePath } from '../path.ts'

/** Limit of a blob's name, in characters (Naming and referencing containers, blobs, and metadata). */
const MAX_NAME_LENGTH = 1024

/** Folder of unfinished blobs. No path can contain it, so no listing shows it. */
const TEMPORARY = '~temporary'

/** Maps paths to names of blobs, as in Distribution's driver: the root, then the path without a leading `/`;
 *  in a container of Distribution 2, with one. */
export class BlobNames {
  readonly #prefix: string

  constructor({ rootdirectory, legacyrootprefix }: { rootdirectory: string; legacyrootprefix: boolean }) {
    const root = rootdirectory.replace(/^\/+|\/+$/g, '')
    this.#prefix = `${legacyrootprefix ? '/' : ''}${root === '' ? '' : `${root}/`}`
  }

  /** The name of a blob.
   *  @throws StorageError PATH_INVALID */
  of(path: string): string {
    const name = this.#prefix + requirePath(path).slice(1)
    if (name.length > MAX_NAME_LENGTH) throw new StorageError('PATH_INVALID', { path })
    return name
  }

  /** The prefix of all names below a folder; `/` is the root.
   *  @throws StorageError PATH_INVALID */
  below(folder: string): string {
    const path = requireFolder(folder)
    return path === '' ? this.#prefix : `${this.of(path)}/`
  }

  /** The prefix of unfinished blobs. */
  get temporary(): string {
    return `${this.#prefix}${TEMPORARY}/`
  }
}
