import type { Entry, StorageDriver } from '../../core/storage-driver.ts'
import { REPOSITORIES } from '../paths.ts'

/** A folder below `repositories/`: part of a repository's name, a repository, or both. */
export interface RepositoryDirectory {
  /** The metadata folders, whose names begin with `_`. */
  readonly kept: readonly string[]
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
  const found = new FoundEntries()
  const { kept } = found
  for await (const entry of storage.list(locate(name))) {
    if (found.add(entry)) continue
    if (entry.name < BEFORE_KEPT) for await (const one of metadataDirectories(storage, name)) kept.push(one)
    return { kept, children: undefined }
  }
  return found
}

/** What is in the folders whose entries the storage returned, for as long as it keeps them. */
const known = new WeakMap<Iterable<Entry>, RepositoryDirectory>()

/** Opens a folder, if the storage can tell at once. */
export function peekRepositoryDirectory(
  storage: StorageDriver,
  name: string,
): RepositoryDirectory | undefined {
  const entries = storage.peekList?.(locate(name))
  if (entries === undefined) return undefined
  let content = known.get(entries)
  if (content === undefined) {
    content = contentOf(entries, () => storage.peekList?.(locate(name), { after: BEFORE_KEPT }))
    // Other iterables can be read once, and are new each time.
    if (content !== undefined && Array.isArray(entries)) known.set(entries, content)
  }
  return content
}

/** @param peekKept the entries from the metadata folders on */
function contentOf(
  entries: Iterable<Entry>,
  peekKept: () => Iterable<Entry> | undefined,
): RepositoryDirectory | undefined {
  const found = new FoundEntries()
  for (const entry of entries) {
    if (found.add(entry)) continue
    const rest = entry.name < BEFORE_KEPT ? peekKept() : []
    for (const { name: child, kind } of rest ?? []) {
      if (!child.startsWith('_')) break
      if (kind === 'folder') found.kept.push(child)
    }
    return rest && { kept: found.kept, children: undefined }
  }
  return found
}

class FoundEntries implements RepositoryDirectory {
  readonly kept: string[] = []
  readonly children: string[] = []

  /** Returns false if there are too many names to hold. */
  add({ name, kind }: Entry): boolean {
    if (kind !== 'folder') return true
    if (name.startsWith('_')) this.kept.push(name)
    else if (this.children.length === MOST_HELD) return false
    else this.children.push(name)
    return true
  }
}

/** The last components of the names directly below one, in byte order, in any number. Iterable at once if the
 *  storage can tell at once.
 *  @param name empty for the root */
export function childrenOf(
  storage: StorageDriver,
  name: string,
  options: { after: string },
): Iterable<string> | AsyncIterable<string> {
  const entries = storage.peekList?.(locate(name), options)
  return entries === undefined ? listedChildren(storage.list(locate(name), options)) : childrenAmong(entries)
}

function* childrenAmong(entries: Iterable<Entry>): Iterable<string> {
  for (const entry of entries) if (isChild(entry)) yield entry.name
}

async function* listedChildren(entries: AsyncIterable<Entry>): AsyncIterable<string> {
  for await (const entry of entries) if (isChild(entry)) yield entry.name
}

function isChild({ name, kind }: Entry): boolean {
  return kind === 'folder' && !name.startsWith('_')
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
