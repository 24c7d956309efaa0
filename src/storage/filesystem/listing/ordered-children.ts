import type { Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'

export interface ChildrenOptions {
  /** Only names after this one, in byte order. */
  readonly after: string
  readonly isWanted: (name: string) => boolean
  /** The name of an entry, not necessarily unique. Default: its own. */
  readonly nameOf?: (entry: Dirent) => string
}

export interface Child {
  readonly name: string
  readonly entry: Dirent
}

export interface OrderedChildrenOptions extends ChildrenOptions {
  /** Entries held at once, found in one reading of the folder. */
  readonly most?: number
}

/** Enough to read nearly every folder once, in few megabytes. */
const MOST = 16_384

/** Entries requested from the system at once. */
const READ_AHEAD = 1024

/** The children of a folder in byte order, holding at most twice `most` of them: a larger folder is read
 *  again for the later ones. Entries added or removed meanwhile may or may not be included.
 *  @throws Error of the system, `ENOENT` and `ENOTDIR` if there is no folder */
export async function* orderedChildren(
  folder: string,
  { after, isWanted, nameOf = itself, most = MOST }: OrderedChildrenOptions,
): AsyncIterable<Child> {
  let behind = after
  for (;;) {
    const children = await firstChildren(folder, { after: behind, isWanted, nameOf, most })
    // Not `yield*`, which creates three promises for each.
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

/** Visits all children in the system's order. With callbacks, because a promise for each child takes longer
 *  than reading it. */
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

/** Sorts the children and drops the excess. Returns the last name that is left. */
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
