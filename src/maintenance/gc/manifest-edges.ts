import { COLLECTIONS } from '../../core/collection/collection-state.ts'
import { type Digest, digestOf, hexOf } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import { edgeRecord, HeldEdges, referencesOf } from './held-edges.ts'

const EDGES = `${COLLECTIONS}/edges`

/** A file begins with it: that of another form is ignored. */
const FORM = Buffer.from('edges 2\n')

/** How many manifests are read before a file is written. */
const FILE_MANIFESTS = 2_000

/** Beyond that, files are not loaded: the manifests in them are read again. Nor is what was read held once it is written. */
const MAX_HELD_BYTES = 96 * 1024 ** 2

/** So many files are few, and so are more of them with so many manifests each. */
const MAX_FILES = 64
const ENOUGH_MANIFESTS = 1_000

export interface ManifestEdgesOptions {
  /** False in a dry run: nothing is written. */
  readonly isSaved: boolean
  /** How much of it is held in memory. */
  readonly maxHeldBytes?: number
}

/** What manifests refer to, kept from one collection to the next: a manifest never changes. So a collection that was cut short, and the one
 *  of the next night, read only the manifests that no collection has read.
 *
 *  Files `gc/edges/<sha256 of the content>`, never changed, with a record for each manifest. A file that is damaged is ignored. */
export class ManifestEdges {
  readonly #storage: StorageDriver
  readonly #isSaved: boolean
  readonly #maxHeldBytes: number
  #held = new HeldEdges()
  /** Records that are in no file yet. */
  readonly #recent = new Map<Digest, Buffer>()
  readonly #files: string[] = []
  #isWhole = true

  constructor(storage: StorageDriver, { isSaved, maxHeldBytes = MAX_HELD_BYTES }: ManifestEdgesOptions) {
    this.#storage = storage
    this.#isSaved = isSaved
    this.#maxHeldBytes = maxHeldBytes
  }

  async load(): Promise<void> {
    const reader = new FileReader(this.#storage)
    for await (const { name } of this.#storage.list(EDGES)) {
      if (this.#held.bytes > this.#maxHeldBytes) {
        this.#isWhole = false
        return
      }
      const content = await reader.read(`${EDGES}/${name}`)
      if (content === undefined) continue
      this.#files.push(name)
      const isSound = hexOf(digestOf(content)) === name && FORM.equals(content.subarray(0, FORM.length))
      if (isSound) this.#held.add(content.subarray(FORM.length))
    }
  }

  /** What the manifest refers to: the first `PREFIX_BYTES` of each digest, one after the other. Undefined if the manifest must be read. */
  get(manifest: Digest): Buffer | undefined {
    const recent = this.#recent.get(manifest)
    return recent === undefined ? this.#held.get(manifest) : referencesOf(recent)
  }

  /** To be kept once `save` is called. */
  add(manifest: Digest, references: readonly Digest[]): void {
    this.#recent.set(manifest, edgeRecord(manifest, references))
  }

  /** Writes what was added, if it is enough for a file. */
  async save({ isLast = false } = {}): Promise<void> {
    if (this.#recent.size === 0 || (!isLast && this.#recent.size < FILE_MANIFESTS)) return
    const block = Buffer.concat([...this.#recent.values()])
    this.#recent.clear()
    if (this.#isSaved) await this.#write(block)
    if (this.#held.bytes + block.length <= this.#maxHeldBytes) this.#held.add(block, { isUsed: true })
    else this.#isWhole = false
  }

  /** Gives the memory back, once all manifests were asked for. Before that, those that nobody has asked for are left out of the files if
   *  they are many, and few files are made of many. */
  async release(): Promise<void> {
    if (this.#isSaved) await this.#compact()
    this.#held = new HeldEdges()
    this.#isWhole = false
  }

  async #compact(): Promise<void> {
    const { manifests, usedManifests } = this.#held
    const areFew = this.#files.length <= Math.max(MAX_FILES, manifests / ENOUGH_MANIFESTS)
    const isTidy = areFew && 2 * usedManifests >= manifests
    if (isTidy || !this.#isWhole) return
    const former = this.#files.splice(0)
    const perFile = Math.max(FILE_MANIFESTS, Math.ceil(usedManifests / (MAX_FILES / 2)))
    for (const records of this.#held.used(perFile)) await this.#write(records)
    for (const name of former)
      if (!this.#files.includes(name)) await this.#storage.delete(`${EDGES}/${name}`, { durable: false })
  }

  async #write(block: Buffer): Promise<void> {
    const content = Buffer.concat([FORM, block])
    const name = hexOf(digestOf(content))
    await this.#storage.put(`${EDGES}/${name}`, content, { durable: false })
    this.#files.push(name)
  }
}

/** Reads one file after the other into the same memory: buffers of their own would stay until V8 collects its garbage. */
class FileReader {
  readonly #storage: StorageDriver
  #memory = Buffer.allocUnsafeSlow(1024 ** 2)

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** Valid until the next one is read. Undefined if the file is missing. */
  async read(path: string): Promise<Buffer | undefined> {
    let length = 0
    try {
      for await (const chunk of this.#storage.read(path)) {
        this.#reserve(length + chunk.length, length)
        this.#memory.set(chunk, length)
        length += chunk.length
      }
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
    return this.#memory.subarray(0, length)
  }

  #reserve(size: number, used: number): void {
    if (size <= this.#memory.length) return
    const old = this.#memory
    this.#memory = Buffer.allocUnsafeSlow(2 * size)
    old.copy(this.#memory, 0, 0, used)
    freeMemoryOf(old)
  }
}
