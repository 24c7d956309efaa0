import { type Dirent, type Stats, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import type { ScannedFile, ScanOptions } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { isName } from '../path.ts'
import { readWithStats } from './calls/descriptors.ts'
import type { QuickCalls } from './calls/quick-calls.ts'
import { kindOfChild } from './child-kind.ts'
import { isErrno } from './errno.ts'
import { leafEntriesAtOnce, leafEntriesInPool } from './leaf-entries.ts'
import { type Child, orderedChildren } from './listing/ordered-children.ts'
import { isStateFolder, plainName } from './part-name.ts'

export interface ScanStart {
  /** The driver's root, as a path of the operating system. */
  readonly root: string
  /** True for a link to a folder that contains it. */
  readonly leadsBack: (location: string, name: string) => Promise<boolean>
  readonly quick: QuickCalls
}

const PAGE = 200

/** Enough for a link. */
const MAX_CONTENT_BYTES = 256

/** Children of a folder that are inspected concurrently. */
const CONCURRENCY = 16

/** Every file below a folder, in byte order of the paths. Only folders with a few files and no folders are
 *  read ahead.
 *  @throws Error of the system, except for entries removed meanwhile */
export async function* scanTree(
  folder: string,
  start: ScanStart,
  { after = '', enters = () => true, leaf = () => undefined, contents = false }: ScanOptions,
): AsyncIterable<readonly ScannedFile[]> {
  const page: ScannedFile[] = []
  yield* fullPages(folder, { ...start, after, enters, leaf, contents, page })
  if (page.length > 0) yield page
}

interface Scan extends ScanStart, Required<ScanOptions> {
  /** The files that were found and not yielded yet. */
  readonly page: ScannedFile[]
}

/** The path of a folder that must be walked. */
type Found = readonly ScannedFile[] | string

/** Adds the files below a folder to the page, and yields it when it is full. */
async function* fullPages(folder: string, scan: Scan): AsyncIterable<readonly ScannedFile[]> {
  const { page, after, root } = scan
  const work = (child: Child) => look(folder, child, scan)
  const children = unlessMissing(childrenOf(root + folder || '/', { folder, after }))
  for await (const found of mapInOrder(children, { concurrency: CONCURRENCY, work })) {
    if (typeof found === 'string') yield* fullPages(found, scan)
    else for (const file of found) if (file.path > after) page.push(file)
    if (page.length >= PAGE) yield page.splice(0)
  }
}

/** Ends quietly if the folder is removed meanwhile. Other errors must not be hidden: the caller concludes
 *  from absence. */
async function* unlessMissing<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* source
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause
  }
}

async function elseIfMissing<T>(work: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return otherwise
    throw cause
  }
}

/** The children in the order of their paths, where a folder counts as `name/`; without those that are wholly
 *  before `after`. */
async function* childrenOf(
  location: string,
  { folder, after }: { folder: string; after: string },
): AsyncIterable<Child> {
  const rest = after.startsWith(`${folder}/`) ? after.slice(folder.length + 1) : ''
  if (after > `${folder}/` && rest === '' && !`${folder}/`.startsWith(after)) return
  const isWanted = (key: string) => isName(key.endsWith('/') ? key.slice(0, -1) : key)
  let last: string | undefined
  for await (const child of orderedChildren(location, {
    after: rest.split('/')[0] ?? '',
    isWanted,
    nameOf: keyOf,
  })) {
    const { name: key } = child
    if (key === last || !(key > rest || rest.startsWith(key))) continue
    last = key
    yield child
  }
}

/** The files of a child that is a file or a folder of few files; the path of any other folder. */
function look(folder: string, child: Child, scan: Scan): Found | Promise<Found> {
  const { name: key, entry } = child
  if (!key.endsWith('/') || !entry.isDirectory()) return lookAtAny(folder, child, scan)
  const path = `${folder}/${key.slice(0, -1)}`
  if (!scan.enters(path)) return []
  const leaf = scan.leaf(path)
  return leaf === undefined ? lookInto(path, scan) : lookAtLeaf(path, leaf, scan)
}

/** The only file of a folder that the caller needs. A file that is kept under another name is found by listing. */
function lookAtLeaf(path: string, name: string, scan: Scan): Found | Promise<Found> {
  const file = `${path}/${name}`
  const location = scan.root + file
  const atOnce = () => {
    const { stats, content } = scan.quick.make(() =>
      scan.contents
        ? readWithStats(location, MAX_CONTENT_BYTES)
        : { stats: statSync(location, { throwIfNoEntry: false }), content: undefined },
    )
    return stats?.isFile() ? [{ ...scanned(file, stats), content }] : lookInto(path, scan)
  }
  const inPool = async () => {
    const stats = await elseIfMissing(stat(location), undefined)
    return stats?.isFile() ? [scanned(file, stats)] : lookInto(path, scan)
  }
  return quickly(scan.quick, { atOnce, inPool })
}

/** The files of a folder of few files; the path of any other. */
function lookInto(path: string, scan: Scan): Found | Promise<Found> {
  const { root, quick } = scan
  const atOnce = () => {
    const leaf = quick.make(() => leafEntriesAtOnce(root + path))
    return leaf === undefined ? path : filesAtOnce(path, leaf, scan)
  }
  const inPool = async () => {
    const leaf = await leafEntriesInPool(root + path)
    if (leaf === undefined) return path
    const files = await Promise.all(leaf.map((entry) => fileAt(`${path}/${entry.name}`, entry)))
    return files.flat()
  }
  return quickly(quick, { atOnce, inPool })
}

function filesAtOnce(path: string, leaf: readonly Dirent[], { root, quick }: Scan): ScannedFile[] {
  const files: ScannedFile[] = []
  for (const { name } of leaf) {
    const file = `${path}/${name}`
    const stats = quick.make(() => statSync(root + file, { throwIfNoEntry: false }))
    if (stats !== undefined) files.push(scanned(file, stats))
  }
  return files
}

/** Makes calls synchronously where the file system is quick, in turns of the event loop that have time for it. */
function quickly(
  quick: QuickCalls,
  { atOnce, inPool }: { atOnce: () => Found | Promise<Found>; inPool: () => Promise<Found> },
): Found | Promise<Found> {
  if (!quick.areAllowed) return inPool()
  const turn = quick.untilTurn()
  return turn === undefined ? atOnce() : turn.then(atOnce)
}

/** A file, a link, or what is neither a file nor a folder. */
async function lookAtAny(folder: string, { name: key, entry }: Child, scan: Scan): Promise<Found> {
  const name = key.endsWith('/') ? key.slice(0, -1) : key
  const path = `${folder}/${name}`
  const kind = await kindOfChild(entry)
  if (kind === undefined) return []
  if (kind === 'file') return fileAt(path, await standing(entry))
  if (!scan.enters(path)) return []
  if (entry.isSymbolicLink() && (await elseIfMissing(scan.leadsBack(entry.parentPath, entry.name), true)))
    return []
  return lookInto(path, scan)
}

function scanned(path: string, { size, mtime }: Stats): ScannedFile {
  return { path, size, modifiedAt: mtime }
}

async function fileAt(path: string, entry: Dirent | undefined): Promise<ScannedFile[]> {
  if (entry === undefined) return []
  const stats = await elseIfMissing(stat(`${entry.parentPath}/${entry.name}`), undefined)
  return stats === undefined ? [] : [scanned(path, stats)]
}

/** The newest numbered file of a state. */
async function standing(entry: Dirent): Promise<Dirent | undefined> {
  if (!isStateFolder(entry)) return entry
  const folder = `${entry.parentPath}/${entry.name}`
  const numbers = await elseIfMissing(readdir(folder, { withFileTypes: true }), [])
  return numbers
    .filter(({ name }) => /^\d+$/.test(name))
    .sort((one, other) => Number(one.name) - Number(other.name))
    .at(-1)
}

function keyOf(entry: Dirent): string {
  const name = plainName(entry)
  const isFolder = entry.isSymbolicLink() ? leadsToFolder(entry) : entry.isDirectory()
  return isFolder && !isStateFolder(entry) ? `${name}/` : name
}

function leadsToFolder(link: Dirent): boolean {
  try {
    return statSync(`${link.parentPath}/${link.name}`).isDirectory()
  } catch {
    return false // `kindOfChild` says what it is
  }
}
