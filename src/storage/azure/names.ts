import { StorageError } from '../../core/errors.ts'
import { requireFolder, requirePath } from '../path.ts'

/** The longest name of a blob, in characters (Naming and referencing containers, blobs, and metadata). */
const MAX_NAME_LENGTH = 1024

/** Holds what is not finished yet. No path can have such a name, so no listing shows it. */
const TEMPORARY = '~temporary'

/** From paths to names of blobs, as Distribution's driver has them: the root, then the path, without a `/` in front;
 *  with one in a container that Distribution 2 has filled. */
export class BlobNames {
  readonly #prefix: string

  constructor({ rootdirectory, legacyrootprefix }: { rootdirectory: string; legacyrootprefix: boolean }) {
    const root = rootdirectory.replace(/^\/+|\/+$/g, '')
    this.#prefix = `${legacyrootprefix ? '/' : ''}${root === '' ? '' : `${root}/`}`
  }

  /** @throws StorageError PATH_INVALID */
  of(path: string): string {
    const name = this.#prefix + requirePath(path).slice(1)
    if (name.length > MAX_NAME_LENGTH) throw new StorageError('PATH_INVALID', { path })
    return name
  }

  /** What all names below a folder begin with; `/` is the root.
   *  @throws StorageError PATH_INVALID */
  below(folder: string): string {
    const path = requireFolder(folder)
    return path === '' ? this.#prefix : `${this.of(path)}/`
  }

  /** What all names of what is not finished begin with. */
  get temporary(): string {
    return `${this.#prefix}${TEMPORARY}/`
  }
}
