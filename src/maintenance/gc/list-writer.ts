import {
  type CollectionFiles,
  type CondemnedBlob,
  listDigitsFor,
  listOf,
} from '../../core/collection/collection-files.ts'
import type { ListDigits } from '../../core/collection/collection-state.ts'

export interface WrittenLists {
  /** In order. */
  readonly lists: readonly number[]
  readonly digits: ListDigits
}

const MOST_DIGITS: ListDigits = 2

/** Writes the lists of what is condemned, as few as their number of blobs allows. */
export class ListWriter {
  readonly #files: CollectionFiles
  readonly #epoch: number
  readonly #lists: number[] = []
  /** The first blobs, until it is clear how many lists there are. */
  #first: CondemnedBlob[] | undefined = []
  #digits: ListDigits = MOST_DIGITS
  #current: { readonly list: number; readonly blobs: CondemnedBlob[] } = { list: -1, blobs: [] }

  constructor(files: CollectionFiles, epoch: number) {
    this.#files = files
    this.#epoch = epoch
  }

  /** @param blob behind those before, in order of the digests */
  async add(blob: CondemnedBlob): Promise<void> {
    if (this.#first === undefined) return this.#append(blob)
    this.#first.push(blob)
    if (listDigitsFor(this.#first.length) === MOST_DIGITS) await this.#begin(MOST_DIGITS)
  }

  async end(): Promise<WrittenLists> {
    if (this.#first !== undefined) await this.#begin(listDigitsFor(this.#first.length))
    await this.#write()
    return { lists: this.#lists, digits: this.#digits }
  }

  async #begin(digits: ListDigits): Promise<void> {
    const first = this.#first ?? []
    this.#first = undefined
    this.#digits = digits
    for (const blob of first) await this.#append(blob)
  }

  async #append(blob: CondemnedBlob): Promise<void> {
    const list = listOf(blob.digest, this.#digits)
    if (list !== this.#current.list) {
      await this.#write()
      this.#current = { list, blobs: [] }
    }
    this.#current.blobs.push(blob)
  }

  async #write(): Promise<void> {
    const { list, blobs } = this.#current
    if (blobs.length === 0) return
    await this.#files.writeList({ epoch: this.#epoch, list, digits: this.#digits }, blobs)
    this.#lists.push(list)
  }
}
