import type { Dirent } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isPathNotFound, StorageError } from '../../../core/errors.ts'
import type { Entry, ListOptions } from '../../../core/storage-driver.ts'
import { isName, requireFolder } from '../../path.ts'
import type { QuickCalls } from '../calls/quick-calls.ts'
import { kindOfChild, kindOfPlain } from '../child-kind.ts'
import { readError } from '../errno.ts'
import { plainName } from '../part-name.ts'
import { type EntrySource, EntrySteps, NO_ENTRIES } from './entry-steps.ts'
import { entriesAfter, type Listing } from './listing.ts'
import { Listings } from './listings.ts'
import { orderedChildren } from './ordered-children.ts'

export interface FolderEntriesOptions {
  /** Without a slash at its end. */
  readonly root: string
  readonly quick: QuickCalls
  /** Checks the root before a folder is reported as empty because it is missing. */
  readonly requireRoot: (folder: string) => Promise<void>
}

/** The entries of folders, as `StorageDriver.list` yields them. */
export class FolderEntries {
  readonly #root: string
  readonly #requireRoot: FolderEntriesOptions['requireRoot']
  readonly #listings: Listings

  constructor({ root, quick, requireRoot }: FolderEntriesOptions) {
    this.#root = root
    this.#requireRoot = requireRoot
    this.#listings = new Listings(quick, (folder, link) => this.#kindOfLink(folder, link))
  }

  list(folder: string, { after = '' }: ListOptions): AsyncIterable<Entry> {
    return { [Symbol.asyncIterator]: () => new EntrySteps(() => this.#open(folder, after)) }
  }

  peek(folder: string, { after = '' }: ListOptions): Iterable<Entry> | undefined {
    try {
      const listing = this.#listings.peek(this.#root + requireFolder(folder) || '/')
      return listing && (after === '' ? listing.entries : entriesAfter(listing, after))
    } catch {
      return undefined
    }
  }

  /** True if the link leads to a folder that contains it, by whatever links: it would be listed without
   *  end. */
  async leadsBack(location: string, name: string): Promise<boolean> {
    const target = await realpath(`${location}/${name}`)
    for (let above = location; above.length >= this.#root.length && above !== '/'; above = dirname(above)) {
      const real = await realpath(above)
      if (real === target || real.startsWith(`${target}/`)) return true
    }
    return false
  }

  #open(folder: string, after: string): EntrySource | Promise<EntrySource> {
    const steps = (listing: Listing | undefined) =>
      listing === undefined ? this.#inTurn(folder, after) : entriesAfter(listing, after)
    try {
      const location = this.#root + requireFolder(folder) || '/'
      const listing = this.#listings.get(location)
      if (!(listing instanceof Promise)) return steps(listing)
      return listing.then(steps, (cause) => this.#withoutFolder(cause, folder))
    } catch (cause) {
      return this.#withoutFolder(cause, folder)
    }
  }

  /** The entries of a folder with too many to hold. */
  async *#inTurn(folder: string, after: string): AsyncGenerator<Entry, undefined> {
    const location = this.#root + folder
    try {
      let last: string | undefined
      const options = { after, isWanted: isName, nameOf: plainName }
      for await (const { name, entry } of orderedChildren(location, options)) {
        const kind = entry.isSymbolicLink() ? await this.#kindOfLink(location, entry) : kindOfPlain(entry)
        if (kind === undefined || name === last) continue
        last = name
        yield { name, kind }
      }
    } catch (cause) {
      await this.#withoutFolder(cause, folder)
    }
  }

  /** A missing folder is empty. */
  async #withoutFolder(cause: unknown, folder: string): Promise<EntrySource> {
    const error = cause instanceof StorageError ? cause : readError(cause, folder)
    if (!isPathNotFound(error)) throw error
    await this.#requireRoot(folder)
    return NO_ENTRIES
  }

  /** The kind of a symbolic link's target. Undefined if it leads nowhere, or to a folder that contains it. */
  async #kindOfLink(location: string, link: Dirent): Promise<Entry['kind'] | undefined> {
    const kind = await kindOfChild(link)
    return kind === 'folder' && (await this.leadsBack(location, link.name)) ? undefined : kind
  }
}
