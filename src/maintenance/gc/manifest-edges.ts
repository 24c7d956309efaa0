import { COLLECTIONS } from '../../core/collection/collection-state.ts'
import { type Digest, digestOf, hexOf } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

const EDGES = `${COLLECTIONS}/edges`

/** A reference stands by as much of its digest as a set of marks compares. */
const PREFIX_DIGITS = 16

/** How many manifests are read before a file is written. */
const FILE_MANIFESTS = 2_000

/** Beyond that, files are not loaded: the manifests in them are read again. Nor is what was read held once it is written. */
const MAX_HELD_BYTES = 64 * 1024 ** 2

const MAX_FILES = 64

interface Edges {
  /** Prefixes of the digests that the manifest refers to, one after the other. */
  readonly references: string
  isUsed: boolean
}

/** What manifests refer to, kept from one collection to the next: a manifest never changes. So a collection that was cut short, and the one
 *  of the next night, read only the manifests that no collection has read.
 *
 *  Files `gc/edges/<sha256 of the content>`, never changed, with a line for each manifest: the hex of its digest, and the first 16
 *  digits of each that it refers to. A file that is damaged is ignored. */
export class ManifestEdges {
  readonly #storage: StorageDriver
  /** By the hex of a manifest. */
  readonly #edges = new Map<string, Edges>()
  readonly #files: string[] = []
  readonly #unwritten: string[] = []
  /** Of the files that are held, about. */
  #heldBytes = 0
  #isWhole = true

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  async load(): Promise<void> {
    for await (const { name } of this.#storage.list(EDGES)) {
      if (this.#heldBytes > MAX_HELD_BYTES) {
        this.#isWhole = false
        return
      }
      const content = await this.#read(`${EDGES}/${name}`)
      if (content === undefined) continue
      this.#files.push(name)
      this.#heldBytes += content.length
      if (hexOf(digestOf(content)) === name) this.#add(content)
    }
  }

  /** The references of a manifest: hex, of 16 digits at least. Undefined if it must be read. */
  get(manifest: Digest): readonly string[] | undefined {
    const found = this.#edges.get(hexOf(manifest))
    if (found === undefined) return undefined
    found.isUsed = true
    return split(found.references)
  }

  /** To be kept once `save` is called. */
  add(manifest: Digest, references: readonly Digest[]): void {
    const prefixes = references.map((digest) => hexOf(digest).slice(0, PREFIX_DIGITS)).join('')
    this.#edges.set(hexOf(manifest), { references: prefixes, isUsed: true })
    this.#unwritten.push(hexOf(manifest))
  }

  /** Writes what was added, if it is enough for a file. */
  async save({ isLast = false } = {}): Promise<void> {
    if (this.#unwritten.length === 0 || (!isLast && this.#unwritten.length < FILE_MANIFESTS)) return
    const written = this.#unwritten.splice(0)
    this.#heldBytes += await this.#write(written)
    if (this.#heldBytes <= MAX_HELD_BYTES) return
    for (const hex of written) this.#edges.delete(hex)
    this.#isWhole = false
  }

  /** Forgets the manifests that nobody has asked for, once they are many, and makes few files of many. */
  async compact(): Promise<void> {
    const used = [...this.#edges].filter(([, { isUsed }]) => isUsed).map(([hex]) => hex)
    const isTidy = this.#files.length <= MAX_FILES && 2 * used.length >= this.#edges.size
    if (isTidy || !this.#isWhole) return
    const former = this.#files.splice(0)
    const perFile = Math.max(FILE_MANIFESTS, Math.ceil(used.length / (MAX_FILES / 2)))
    for (let start = 0; start < used.length; start += perFile)
      await this.#write(used.slice(start, start + perFile))
    for (const name of former)
      if (!this.#files.includes(name)) await this.#storage.delete(`${EDGES}/${name}`, { durable: false })
  }

  /** @returns its size in bytes */
  async #write(manifests: readonly string[]): Promise<number> {
    const lines = manifests.map(
      (hex) => `${[hex, ...split(this.#edges.get(hex)?.references ?? '')].join(' ')}\n`,
    )
    const content = Buffer.from(lines.join(''), 'latin1')
    const name = hexOf(digestOf(content))
    await this.#storage.put(`${EDGES}/${name}`, content, { durable: false })
    this.#files.push(name)
    return content.length
  }

  async #read(path: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#storage.get(path)
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  #add(content: Uint8Array): void {
    for (const line of Buffer.from(content).toString('latin1').split('\n')) {
      const [manifest, ...references] = line.split(' ')
      if (manifest) this.#edges.set(manifest, { references: references.join(''), isUsed: false })
    }
  }
}

function split(references: string): string[] {
  const prefixes: string[] = []
  for (let start = 0; start < references.length; start += PREFIX_DIGITS)
    prefixes.push(references.slice(start, start + PREFIX_DIGITS))
  return prefixes
}
