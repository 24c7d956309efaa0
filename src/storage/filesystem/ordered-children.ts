import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'

export interface ChildrenOptions {
  /** Only names that come behind this one in byte order. */
  readonly after: string
  readonly isWanted: (name: string) => boolean
  /** The name that an entry is to have; several may have the same one. Default: its own. */
  readonly nameOf?: (entry: Dirent) => string
}

export interface Child {
  readonly name: string
  readonly entry: Dirent
}

export interface OrderedChildrenOptions extends ChildrenOptions {
  /** How many of them are found in one reading of the folder. */
  readonly most?: number
}

/** Enough that nearly every folder is read once, and few megabytes. */
const MOST = 16_384

/** How many entries the system is asked for at once. */
const READ_AHEAD = 1024

/** The children of a folder in byte order, without ever holding more than twice `most` of them: a folder of more is
 *  read again for those that come behind. What is added or removed meanwhile is found or not.
 *  @throws Error of the system, `ENOENT` and `ENOTDIR` where no folder stands */
export async function* orderedChildren(
  folder: string,
  { after, isWanted, nameOf = itself, most = MOST }: OrderedChildrenOptions,
): AsyncIterable<Child> {
  let behind = after
  for (;;) {
    const children = await firstChildren(folder, { after: behind, isWanted, nameOf, most })
    // Not `yield*`, which makes three promises of each.
    for (const child of children) yield child
    if (children.length < most) return
    behind = (children.at(-1) as Child).name
  }
}

async function firstChildren(
  folder: string,
  { after, isWanted, nameOf, most }: Required<OrderedChildrenOptions>,
): Promise<Child[]> {
  const found: Child[] = []
  let last: string | undefined
  await forEachChild(folder, (entry) => {
    const name = nameOf(entry)
    if (name <= after || (last !== undefined && name >= last) || !isWanted(name)) return
    found.push({ name, entry })
    if (found.length === 2 * most) last = keepFirst(found, most)
  })
  keepFirst(found, most)
  return found
}

/** All children in the system's order. By callbacks: a promise for each child takes longer than reading it. */
export async function forEachChild(folder: string, visit: (child: Dirent) => void): Promise<void> {
  const open = await opendir(folder, { bufferSize: READ_AHEAD })
  const read = (done: () => void, fail: (cause: Error) => void) =>
    open.read((cause, child) => {
      if (cause !== null) return fail(cause)
      if (child === null) return done()
      visit(child)
      read(done, fail)
    })
  try {
    await new Promise<void>(read)
  } finally {
    await open.close()
  }
}

/** Sorts them and drops what is too many. Returns the last name that is left. */
function keepFirst(children: Child[], most: number): string | undefined {
  inOrder(children).length = Math.min(children.length, most)
  return children.at(-1)?.name
}

function inOrder(children: Child[]): Child[] {
  return children.sort((one, other) => (one.name < other.name ? -1 : 1))
}

function itself({ name }: Dirent): string {
  return name
}
