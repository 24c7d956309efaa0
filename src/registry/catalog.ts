import { isRepositoryName, type RepositoryName } from '../core/reference.ts'
import type { Page } from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { REPOSITORIES } from './paths.ts'

/** A folder below `repositories/`: part of a repository's name, a repository, or both. */
interface NameFolder {
  readonly name: string
  /** The folders whose names begin with `_`: what the registry keeps of a repository. */
  readonly kept: ReadonlySet<string>
  /** The last components of the names below. */
  readonly children: readonly string[]
}

export interface CatalogOptions extends Page {
  /** Which of `_manifests`, `_layers` and `_uploads` make a folder count; one is enough. */
  kept: readonly string[]
}

/** What makes a folder a repository: Distribution 3 asks for the first, Distribution 2 for the second. */
export const REPOSITORY_MARKS = ['_manifests', '_layers'] as const

/** Every repository's name in byte order, found by walking the folders. A walk in the folders' order would not do:
 *  `a/b` is found inside `a`, yet stands behind `a-b`. */
export async function* repositoryNames(
  storage: StorageDriver,
  { after = '', kept }: CatalogOptions,
): AsyncIterable<RepositoryName> {
  const walk = async function* (folder: NameFolder): AsyncIterable<RepositoryName> {
    const opened = new Map<string, NameFolder>()
    const open = async (name: string) => opened.get(name) ?? (await openFolder(storage, name))
    for (const step of stepsBelow(folder)) {
      if (step.endsWith('/')) {
        const name = step.slice(0, -1)
        if (mayHoldBehind(step, after)) yield* walk(await open(name))
        opened.delete(name)
      } else if (step > after && isRepositoryName(step)) {
        const child = await open(step)
        opened.set(step, child)
        if (kept.some((mark) => child.kept.has(mark))) yield step
      }
    }
  }
  yield* walk(await openFolder(storage, ''))
}

/** The children as names and, with a slash at the end, as the subtrees below them, in the order of the full names. */
function stepsBelow(folder: NameFolder): string[] {
  const prefix = folder.name === '' ? '' : `${folder.name}/`
  return folder.children.flatMap((child) => [`${prefix}${child}`, `${prefix}${child}/`]).sort()
}

/** True unless every name that begins with the prefix stands before `after`. */
function mayHoldBehind(prefix: string, after: string): boolean {
  return prefix > after || after.startsWith(prefix)
}

async function openFolder(storage: StorageDriver, name: string): Promise<NameFolder> {
  const kept = new Set<string>()
  const children: string[] = []
  const folder = name === '' ? REPOSITORIES : `${REPOSITORIES}/${name}`
  for await (const entry of storage.list(folder, { atOnce: true })) {
    if (entry.kind !== 'folder') continue
    if (entry.name.startsWith('_')) kept.add(entry.name)
    else children.push(entry.name)
  }
  return { name, kept, children }
}
