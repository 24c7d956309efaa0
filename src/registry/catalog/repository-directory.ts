import type { StorageDriver } from '../../core/storage-driver.ts'
import { REPOSITORIES } from '../paths.ts'

/** A folder below `repositories/`: part of a repository's name, a repository, or both. */
export interface RepositoryDirectory {
  readonly name: string
  /** The metadata folders, whose names begin with `_`. */
  readonly kept: ReadonlySet<string>
  /** The last components of the names below, in byte order. Undefined if there are too many to hold. */
  readonly children: readonly string[] | undefined
}

/** Limit of names held for each folder opened ahead; a usual page of the catalog. */
const MOST_HELD = 100

/** Sorts between digits and `_`, so that a listing after it begins with the metadata folders. */
const BEFORE_KEPT = '^'

/** Opens a folder. A missing folder is empty. */
export async function openRepositoryDirectory(
  storage: StorageDriver,
  name: string,
): Promise<RepositoryDirectory> {
  const kept = new Set<string>()
  const children: string[] = []
  for await (const { name: child, kind } of storage.list(locate(name))) {
    if (kind !== 'folder') continue
    if (child.startsWith('_')) kept.add(child)
    else if (children.length < MOST_HELD) children.push(child)
    else {
      if (child < BEFORE_KEPT) for await (const one of metadataDirectories(storage, name)) kept.add(one)
      return { name, kept, children: undefined }
    }
  }
  return { name, kept, children }
}

/** The last components of the names directly below one, in byte order, in any number.
 *  @param name empty for the root */
export async function* childrenOf(
  storage: StorageDriver,
  name: string,
  { after }: { after: string },
): AsyncIterable<string> {
  for await (const { name: child, kind } of storage.list(locate(name), { after })) {
    if (kind === 'folder' && !child.startsWith('_')) yield child
  }
}

/** The metadata folders of a repository. Their names begin with `_`, so they are adjacent in a listing. */
export async function* metadataDirectories(storage: StorageDriver, name: string): AsyncIterable<string> {
  for await (const { name: child, kind } of storage.list(locate(name), { after: BEFORE_KEPT })) {
    if (!child.startsWith('_')) return
    if (kind === 'folder') yield child
  }
}

function locate(name: string): string {
  return name === '' ? REPOSITORIES : `${REPOSITORIES}/${name}`
}
