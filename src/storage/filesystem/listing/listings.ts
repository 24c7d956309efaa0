import { type Dirent, readdirSync, type Stats, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import type { Entry } from '../../../core/storage-driver.ts'
import { CoalescedReads } from '../../../lib/request-coalescing.ts'
import { isName } from '../../path.ts'
import type { QuickCalls } from '../calls/quick-calls.ts'
import { kindOfPlain } from '../child-kind.ts'
import { plainName } from '../part-name.ts'
import { type Listing, listingOf } from './listing.ts'
import { forEachChild } from './ordered-children.ts'
import { inOrder, SharedListings } from './shared-listings.ts'

/** Limit of a cached listing, and of one that is held. */
const MAX_NAMES = 600_000
const MAX_KEPT_BYTES = 32 * 1024 ** 2
/** Overhead of a folder in the cache. */
const KEPT_BYTES = 220
/** Size of a folder whose names are returned by one call. */
const SMALL_FOLDER_BYTES = 4096

/** While the file system's clock shows the same time, a change of a folder may not be visible in its `ctime`.
 *  Longer than the resolution of any local file system's clock. */
const CLOCK_GRAIN_MS = 2_000

/** Resolves to the kind of a symbolic link's target; undefined if it is not listed. */
export type ResolveLink = (folder: string, link: Dirent) => Promise<Entry['kind'] | undefined>

/** What shows that a folder has changed. */
type FolderState = Pick<Stats, 'dev' | 'ino' | 'ctimeMs' | 'mtimeMs'>

interface Kept {
  readonly state: FolderState
  /** Undefined if there are too many names. */
  readonly listing: Listing | undefined
}

interface Reading {
  readonly listing: Listing | undefined
  /** True if it depends on nothing outside of the folder. */
  readonly isOwn: boolean
}

/** Listings of folders, cached while the folder is the same and unchanged, as its inode and `ctime` show,
 *  which no process can set. On local file systems only. Any process may change the folder. */
export class Listings {
  readonly #quick: QuickCalls
  readonly #resolveLink: ResolveLink
  readonly #kept = new LRUCache<string, Kept>({
    maxSize: MAX_KEPT_BYTES,
    sizeCalculation: ({ listing }, folder) => KEPT_BYTES + folder.length + (listing?.byteCount ?? 0),
  })
  readonly #shared = new SharedListings()
  readonly #reads = new CoalescedReads((folder) => this.#read(folder))

  constructor(quick: QuickCalls, resolveLink: ResolveLink) {
    this.#quick = quick
    this.#resolveLink = resolveLink
  }

  /** A folder's content. Undefined if it is too large to hold. Synchronous if it is cached and the folder
   *  answers at once.
   *  @throws Error of the system, `ENOENT` and `ENOTDIR` if there is no folder; StorageError of a link */
  get(folder: string): Listing | undefined | Promise<Listing | undefined> {
    if (!this.#quick.areAllowed) return this.#getByPool(folder)
    const turn = this.#quick.untilTurn()
    if (turn !== undefined) return turn.then(() => this.get(folder))
    const found = this.#getAtOnce(folder)
    return found === undefined ? this.#reads.read(folder) : found.listing
  }

  /** A folder's content if it answers at once, is not too large to hold, and has no links.
   *  @throws Error of the system, as `get` */
  peek(folder: string): Listing | undefined {
    return this.#quick.haveTime ? this.#getAtOnce(folder)?.listing : undefined
  }

  async #getByPool(folder: string): Promise<Listing | undefined> {
    const kept = this.#kept.get(folder)
    if (kept !== undefined && isSame(kept.state, await stat(folder))) return kept.listing
    return this.#reads.read(folder)
  }

  #getAtOnce(folder: string): Pick<Kept, 'listing'> | undefined {
    const kept = this.#kept.get(folder)
    const before = this.#quick.make(() => statSync(folder))
    if (kept !== undefined && isSame(kept.state, before)) return kept
    if (before.size > SMALL_FOLDER_BYTES) return undefined
    const readAt = Date.now()
    const listing = this.#shared.of(this.#quick.make(() => readdirSync(folder, { withFileTypes: true })))
    if (listing === undefined) return undefined
    const found = { state: stateOf(before), listing }
    // A change since then has changed the state as well.
    if (isSettled(before, readAt)) this.#kept.set(folder, found)
    return found
  }

  async #read(folder: string): Promise<Listing | undefined> {
    if (!this.#quick.isLocal) return (await this.#readNow(folder, undefined)).listing
    const readAt = Date.now()
    const before = await stat(folder)
    const { listing, isOwn } = await this.#readNow(folder, before)
    if (isOwn && isSettled(before, readAt) && isSame(before, await stat(folder)))
      this.#kept.set(folder, { state: stateOf(before), listing })
    return listing
  }

  async #readNow(folder: string, stats: Stats | undefined): Promise<Reading> {
    const dirents =
      stats !== undefined && stats.size <= SMALL_FOLDER_BYTES
        ? await readdir(folder, { withFileTypes: true })
        : await manyIn(folder)
    if (dirents === undefined) return { listing: undefined, isOwn: true }
    const listing = this.#shared.of(dirents)
    if (listing !== undefined) return { listing, isOwn: true }
    return { listing: await this.#resolved(folder, dirents), isOwn: false }
  }

  /** The listing with the kinds of links' targets. */
  async #resolved(folder: string, dirents: readonly Dirent[]): Promise<Listing> {
    const entries: Entry[] = []
    for (const dirent of dirents) {
      const name = plainName(dirent)
      if (!isName(name)) continue
      const kind = dirent.isSymbolicLink() ? await this.#resolveLink(folder, dirent) : kindOfPlain(dirent)
      if (kind !== undefined) entries.push({ name, kind })
    }
    return listingOf(entries.sort(inOrder))
  }
}

/** Undefined if there are too many. */
async function manyIn(folder: string): Promise<Dirent[] | undefined> {
  const dirents: Dirent[] = []
  await forEachChild(folder, (dirent) => {
    if (dirents.length <= MAX_NAMES) dirents.push(dirent)
  })
  return dirents.length <= MAX_NAMES ? dirents : undefined
}

function stateOf({ dev, ino, ctimeMs, mtimeMs }: Stats): FolderState {
  return { dev, ino, ctimeMs, mtimeMs }
}

function isSame(one: FolderState, other: FolderState): boolean {
  return (
    one.ctimeMs === other.ctimeMs &&
    one.mtimeMs === other.mtimeMs &&
    one.ino === other.ino &&
    one.dev === other.dev
  )
}

/** True if any later change would show another time. */
function isSettled({ ctimeMs }: Stats, readAt: number): boolean {
  return readAt - ctimeMs > CLOCK_GRAIN_MS
}
