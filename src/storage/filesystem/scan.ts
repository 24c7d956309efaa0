import { type Dirent, statSync } from 'node:fs'
import { opendir, readdir, stat } from 'node:fs/promises'
import type { ScannedFile, ScanOptions } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { isName } from '../path.ts'
import { kindOfChild } from './child-kind.ts'
import { isErrno } from './errno.ts'
import { type Child, orderedChildren } from './ordered-children.ts'
import { isStateFolder, plainName } from './part-name.ts'

export interface ScanStart {
  /** The driver's root, as a path of the operating system. */
  readonly root: string
  /** True for a link to a folder that contains it. */
  readonly leadsBack: (location: string, name: string) => Promise<boolean>
}

const PAGE = 1_000

/** Children of a folder that are inspected concurrently. */
const CONCURRENCY = 16

/** Most folders of a registry hold one or two files: these are read ahead. */
const MAX_LEAF_ENTRIES = 8

/** Every file below a folder, in byte order of the paths. Only folders with a few files and no folders are
 *  read ahead.
 *  @throws Error of the system, except for entries removed meanwhile */
export async function* scanTree(
  folder: string,
  start: ScanStart,
  { after = '', enters = () => true }: ScanOptions,
): AsyncIterable<readonly ScannedFile[]> {
  let page: ScannedFile[] = []
  for await (const files of filesBelow(folder, { ...start, after, enters })) {
    for (const file of files) if (file.path > after) page.push(file)
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}

type Scan = ScanStart & Required<ScanOptions>

async function* filesBelow(folder: string, scan: Scan): AsyncIterable<readonly ScannedFile[]> {
  const location = scan.root + folder || '/'
  const work = (child: Child) => look(folder, child, scan)
  const children = unlessMissing(childrenOf(location, { folder, after: scan.after }))
  for await (const found of mapInOrder(children, { concurrency: CONCURRENCY, work })) {
    if (typeof found === 'string') yield* filesBelow(found, scan)
    else if (found.length > 0) yield found
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
async function look(
  folder: string,
  { name: key, entry }: Child,
  scan: Scan,
): Promise<ScannedFile[] | string> {
  const name = key.endsWith('/') ? key.slice(0, -1) : key
  const path = `${folder}/${name}`
  const kind = await kindOfChild(entry)
  if (kind === undefined) return []
  if (kind === 'file') return fileAt(path, await standing(entry))
  if (!scan.enters(path)) return []
  if (entry.isSymbolicLink() && (await elseIfMissing(scan.leadsBack(entry.parentPath, entry.name), true)))
    return []
  const leaf = await leafEntries(scan.root + path)
  if (leaf === undefined) return path
  const files = await Promise.all(
    leaf.map(async (one) => ((await kindOfChild(one)) === 'file' ? fileAt(`${path}/${one.name}`, one) : [])),
  )
  return files.flat()
}

async function fileAt(path: string, entry: Dirent | undefined): Promise<ScannedFile[]> {
  if (entry === undefined) return []
  const stats = await elseIfMissing(stat(`${entry.parentPath}/${entry.name}`), undefined)
  return stats === undefined ? [] : [{ path, size: stats.size, modifiedAt: stats.mtime }]
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

/** The entries in order. Undefined if there are many, or others than plain files. */
async function leafEntries(location: string): Promise<Dirent[] | undefined> {
  const open = await elseIfMissing(opendir(location), undefined)
  if (open === undefined) return []
  const entries: Dirent[] = []
  try {
    for (let entry = await open.read(); entry !== null; entry = await open.read()) {
      const isPlain = entry.isFile() && plainName(entry) === entry.name && isName(entry.name)
      if (!isPlain || entries.length === MAX_LEAF_ENTRIES) return undefined
      entries.push(entry)
    }
  } finally {
    await open.close()
  }
  return entries.sort((one, other) => (one.name < other.name ? -1 : 1))
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
