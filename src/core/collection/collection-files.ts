import { LRUCache } from 'lru-cache'
import { type Digest, hexOf } from '../digest.ts'
import { isPathNotFound } from '../errors.ts'
import type { StorageDriver } from '../storage-driver.ts'
import { COLLECTIONS, type CollectionState } from './collection-state.ts'

/** A blob that a collection means to delete. */
export interface CondemnedBlob {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/** How many lists there are: one for each first byte of a digest. */
export const LISTS = 256

const MAX_CACHED_BYTES = 64 * 1024 ** 2

/** The files of a collection, below `<epoch>/`:
 *
 *  - `condemned/<first byte in hex>`: what is to be deleted, sorted, a line each: the hex of its digest, and its size. Written once,
 *    before the phase is `condemned`, and never changed.
 *  - `pins/<hex>`: somebody needs the blob of this digest.
 *  - `removed/<number>`: the hex of manifests that are removed from a repository, a line each. Written before. */
export class CollectionFiles {
  readonly #storage: StorageDriver
  /** Lists that a pusher has read; they never change. */
  readonly #lists = new LRUCache<string, Buffer>({
    maxSize: MAX_CACHED_BYTES,
    sizeCalculation: ({ length }) => length || 1,
  })

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** The storage's clock. */
  async begin(epoch: number): Promise<Date> {
    const path = `${COLLECTIONS}/${epoch}/started`
    await this.#storage.put(path, Buffer.from('its time is that of the storage\n'))
    const info = await this.#storage.stat(path)
    if (info.kind === 'file') return info.modifiedAt
    throw new Error(`${path} is a folder`)
  }

  async writeList(epoch: number, list: number, blobs: readonly CondemnedBlob[]): Promise<void> {
    const lines = blobs.map(({ digest, size }) => `${hexOf(digest)} ${size}\n`)
    await this.#storage.put(listPath(epoch, list), Buffer.from(lines.join('')))
  }

  async readList(epoch: number, list: number): Promise<CondemnedBlob[]> {
    const lines = await linesOf(this.#storage, listPath(epoch, list))
    return lines.map((line) => {
      const [hex = '', size] = line.split(' ')
      return { digest: `sha256:${hex}` as Digest, size: Number(size) }
    })
  }

  /** The digests that are condemned by this state; undefined if it is out of date, because its lists are gone. */
  async findCondemned(
    { epoch, lists = '' }: CollectionState,
    digests: readonly Digest[],
  ): Promise<Digest[] | undefined> {
    const condemned: Digest[] = []
    for (const digest of digests) {
      const list = Number.parseInt(hexOf(digest).slice(0, 2), 16)
      if (!hasList(lists, list)) continue
      const content = await this.#list(epoch, list)
      if (content === undefined) return undefined
      if (content.includes(hexOf(digest), 0, 'latin1')) condemned.push(digest)
    }
    return condemned
  }

  /** Names manifests that are removed next.
   *  @param number of the file, from 0 */
  async writeRemoved(epoch: number, number: number, manifests: readonly Digest[]): Promise<void> {
    const lines = manifests.map((digest) => `${hexOf(digest)}\n`)
    await this.#storage.put(removedPath(epoch, number), Buffer.from(lines.join('')), { durable: false })
  }

  /** The manifests and blobs that the files of a state name, as far as they are still there. */
  async forEachCondemned(
    { epoch, lists = '', removals = 0 }: CollectionState,
    work: (digest: Digest) => Promise<void>,
  ): Promise<void> {
    for (let number = 0; number < removals; number++) {
      const names = await linesOf(this.#storage, removedPath(epoch, number)).catch(ifMissing)
      for (const hex of names) await work(`sha256:${hex}` as Digest)
    }
    for (let list = 0; list < LISTS; list++) {
      if (!hasList(lists, list)) continue
      const blobs = await this.readList(epoch, list).catch(ifMissing)
      for (const { digest } of blobs) await work(digest)
    }
  }

  async pin(epoch: number, digest: Digest): Promise<void> {
    await this.#storage.put(`${COLLECTIONS}/${epoch}/pins/${hexOf(digest)}`, Buffer.from('pinned\n'))
  }

  /** The hex of those pinned from `first` to `last`, both included. */
  async pins(epoch: number, { first, last }: { first: string; last: string }): Promise<Set<string>> {
    const pinned = new Set<string>()
    const names = this.#storage.list(`${COLLECTIONS}/${epoch}/pins`, { after: first.slice(0, -1) })
    for await (const { name } of names) {
      if (name > last) break
      if (name >= first) pinned.add(name)
    }
    return pinned
  }

  /** Removes the files of all collections before this one. */
  async removeBefore(epoch: number): Promise<void> {
    for await (const { name } of this.#storage.list(COLLECTIONS)) {
      if (/^\d+$/.test(name) && Number(name) < epoch)
        await this.#storage.delete(`${COLLECTIONS}/${name}`, { durable: false })
    }
  }

  async #list(epoch: number, list: number): Promise<Buffer | undefined> {
    const path = listPath(epoch, list)
    const cached = this.#lists.get(path)
    if (cached !== undefined) return cached
    try {
      const content = Buffer.from(await this.#storage.get(path))
      this.#lists.set(path, content)
      return content
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }
}

function listPath(epoch: number, list: number): string {
  return `${COLLECTIONS}/${epoch}/condemned/${list.toString(16).padStart(2, '0')}`
}

function removedPath(epoch: number, number: number): string {
  return `${COLLECTIONS}/${epoch}/removed/${number}`
}

async function linesOf(storage: StorageDriver, path: string): Promise<string[]> {
  const text = Buffer.from(await storage.get(path)).toString('latin1')
  return text.split('\n').filter((line) => line !== '')
}

function ifMissing(error: unknown): never[] {
  if (isPathNotFound(error)) return []
  throw error
}

function hasList(lists: string, list: number): boolean {
  const digit = Number.parseInt(lists[list >> 2] ?? '0', 16)
  return (digit & (8 >> (list & 3))) !== 0
}

/** As a state says which lists there are. */
export function listBits(lists: Iterable<number>): string {
  const digits = new Array<number>(LISTS / 4).fill(0)
  for (const list of lists) digits[list >> 2] = (digits[list >> 2] ?? 0) | (8 >> (list & 3))
  return digits.map((digit) => digit.toString(16)).join('')
}
