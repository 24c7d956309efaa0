import type { StorageDriver } from '../../core/storage-driver.ts'
import { REPOSITORIES } from '../paths.ts'

/** A folder below `repositories/`: part of a repository's name, a repository, or both. */
export interface RepositoryDirectory {
  readonly name: string
  /** The folders whose names begin with `_`: what the registry keeps of a repository. */
  readonly kept: ReadonlySet<string>
  /** The last components of the names below, in byte order; undefined when they are too many to be held. */
  readonly children: readonly string[] | undefined
}

/** So many names of each folder that is looked at ahead are held, a usual page of the catalog. */
const MOST_HELD = 100

/** Stands before the folders that begin with `_`, behind digits and before the letters. */
const BEFORE_KEPT = '^'

/** Nothing is in a folder that is not there. */
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

/** The last components of the names right below one, in byte order, however many there are.
 *  @param name empty for all */
export async function* childrenOf(
  storage: StorageDriver,
  name: string,
  { after }: { after: string },
): AsyncIterable<string> {
  for await (const { name: child, kind } of storage.list(locate(name), { after })) {
    if (kind === 'folder' && !child.startsWith('_')) yield child
  }
}

/** The folders that the registry keeps of a repository: all begin with `_`, and stand together. */
export async function* metadataDirectories(storage: StorageDriver, name: string): AsyncIterable<string> {
  for await (const { name: child, kind } of storage.list(locate(name), { after: BEFORE_KEPT })) {
    if (!child.startsWith('_')) return
    if (kind === 'folder') yield child
  }
}

function locate(name: string): string {
  return name === '' ? REPOSITORIES : `${REPOSITORIES}/${name}`
}
