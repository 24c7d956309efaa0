import { LRUCache } from 'lru-cache'
import { type Digest, hexOf } from '../digest.ts'
import { isPathNotFound } from '../errors.ts'
import type { StorageDriver } from '../storage-driver.ts'
import { COLLECTIONS, type CollectionState, type ListDigits } from './collection-state.ts'

/** A blob that a collection means to delete. */
export interface CondemnedBlob {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/** Up to so many blobs are in one list, and up to 16 times as many in 16: pushes read a list as a whole. */
const LIST_BLOBS = 4_096

/** How many digits of a digest name its list.
 *  @param blobs how many are condemned */
export function listDigitsFor(blobs: number): ListDigits {
  return blobs <= LIST_BLOBS ? 0 : blobs <= 16 * LIST_BLOBS ? 1 : 2
}

/** Which of the lists has a digest, from 0. */
export function listOf(digest: Digest, digits: ListDigits): number {
  return digits === 0 ? 0 : Number.parseInt(hexOf(digest).slice(0, digits), 16)
}

const MAX_CACHED_BYTES = 64 * 1024 ** 2

/** The files of a collection, below `<epoch>/`:
 *
 *  - `condemned/<first digits of the hex, or all>`: what is to be deleted, sorted, a line each: the hex of its digest, and its size. Written
 *    once, before the phase is `condemned`, and never changed.
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

  async writeList(list: ListName, blobs: readonly CondemnedBlob[]): Promise<void> {
    const lines = blobs.map(({ digest, size }) => `${hexOf(digest)} ${size}\n`)
    await this.#storage.put(listPath(list), Buffer.from(lines.join('')))
  }

  async readList(list: ListName): Promise<CondemnedBlob[]> {
    const lines = await linesOf(this.#storage, listPath(list))
    return lines.map((line) => {
      const [hex = '', size] = line.split(' ')
      return { digest: `sha256:${hex}` as Digest, size: Number(size) }
    })
  }

  /** The digests that are condemned by this state; undefined if it is out of date, because its lists are gone. */
  async findCondemned(
    { epoch, lists = '', listDigits: digits = 2 }: CollectionState,
    digests: readonly Digest[],
  ): Promise<Digest[] | undefined> {
    const condemned: Digest[] = []
    for (const digest of digests) {
      const list = listOf(digest, digits)
      if (!hasList(lists, list)) continue
      const content = await this.#list({ epoch, list, digits })
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
    { epoch, lists = '', listDigits: digits = 2, removals = 0 }: CollectionState,
    work: (digest: Digest) => Promise<void>,
  ): Promise<void> {
    for (let number = 0; number < removals; number++) {
      const names = await linesOf(this.#storage, removedPath(epoch, number)).catch(ifMissing)
      for (const hex of names) await work(`sha256:${hex}` as Digest)
    }
    for (let list = 0; list < 16 ** digits; list++) {
      if (!hasList(lists, list)) continue
      const blobs = await this.readList({ epoch, list, digits }).catch(ifMissing)
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

  async #list(list: ListName): Promise<Buffer | undefined> {
    const path = listPath(list)
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

export interface ListName {
  readonly epoch: number
  /** From 0. */
  readonly list: number
  readonly digits: ListDigits
}

function listPath({ epoch, list, digits }: ListName): string {
  const name = digits === 0 ? 'all' : list.toString(16).padStart(digits, '0')
  return `${COLLECTIONS}/${epoch}/condemned/${name}`
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
export function listBits(lists: Iterable<number>, digits: ListDigits): string {
  const bits = new Array<number>(Math.ceil(16 ** digits / 4)).fill(0)
  for (const list of lists) bits[list >> 2] = (bits[list >> 2] ?? 0) | (8 >> (list & 3))
  return bits.map((four) => four.toString(16)).join('')
}
