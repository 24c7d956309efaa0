import { LRUCache } from 'lru-cache'
import {
  ALGORITHMS,
  algorithmOf,
  CANONICAL,
  type Digest,
  type DigestAlgorithm,
  isDigest,
  isTarSum,
  TARSUM_ALGORITHMS,
} from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Page } from '../../core/registry.ts'
import type { Precedence, StorageDriver } from '../../core/storage-driver.ts'
import { atMost } from '../../lib/at-most.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { CoalescedReads } from '../../lib/request-coalescing.ts'
import { settleAll } from '../../lib/settle-all.ts'
import { algorithmFolder, digestFolder, digestFromFolder, TARSUM_FOLDER, tarSumVersion } from '../paths.ts'

export type LinkStorage = Pick<StorageDriver, 'get' | 'put' | 'settle'>

const MAX_DURABLE = 10_000

/** Link files: small files that hold a digest. Written exactly and read leniently: a link that a crash of
 *  another registry has left empty or broken counts as absent, and is logged once. */
export class Links {
  readonly #storage: LinkStorage
  readonly #log: Log
  readonly #reported = new Set<string>()
  readonly #joined = new CoalescedReads((path) => this.#read(path))
  /** Links that are known to be durable. */
  readonly #durable = new LRUCache<string, true>(atMost(MAX_DURABLE))

  constructor(storage: LinkStorage, log: Log) {
    this.#storage = storage
    this.#log = log
  }

  /** The canonical digest in the link. Undefined if there is none. */
  read(path: string): Promise<Digest | undefined> {
    return this.#joined.read(path)
  }

  /** The digest in the content of the link at `path`. Undefined if it is broken. */
  digestIn({ buffer, byteOffset, byteLength }: Uint8Array, path: string): Digest | undefined {
    const text = Buffer.from(buffer, byteOffset, byteLength).toString('latin1').trim()
    if (isDigest(text) && algorithmOf(text) === CANONICAL) return text
    this.#reportBroken(path)
    return undefined
  }

  async write(path: string, target: Digest, precedence?: Precedence): Promise<void> {
    await this.#storage.put(path, Buffer.from(target, 'latin1'), precedence)
    this.#durable.set(path, true)
  }

  /** Makes a link durable that another process may not have synced yet. */
  async settle(path: string): Promise<void> {
    if (this.#durable.has(path)) return
    await this.#storage.settle(path)
    this.#durable.set(path, true)
  }

  /** Must be called when a link is removed. */
  forget(path: string): void {
    this.#durable.delete(path)
  }

  async #read(path: string): Promise<Digest | undefined> {
    let content: Uint8Array
    try {
      content = await this.#storage.get(path)
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
    return this.digestIn(content, path)
  }

  #reportBroken(path: string): void {
    if (this.#reported.has(path) || this.#reported.size >= MAX_REPORTED) return
    this.#reported.add(path)
    this.#log.warn({ path }, 'a link has no valid digest and counts as absent')
  }
}

const MAX_REPORTED = 10_000

/** Links of a set that are read concurrently. */
const READ_CONCURRENCY = 16

/** The links of one folder, `<folder>/<algorithm>/<hex>/link`: a repository's blobs, its manifests, or a
 *  tag's history. A link by the canonical algorithm always exists; one by another algorithm is a further name
 *  for the same content. */
export class LinkSet {
  readonly folder: string
  readonly #storage: StorageDriver
  readonly #links: Links
  readonly #hasTarSums: boolean

  /** @param options.hasTarSums true for blobs, which may have TarSums as names. Default: false */
  constructor(
    folder: string,
    { storage, links, hasTarSums = false }: { storage: StorageDriver; links: Links; hasTarSums?: boolean },
  ) {
    this.folder = folder
    this.#storage = storage
    this.#links = links
    this.#hasTarSums = hasTarSums
  }

  /** The canonical digest of the set's content of this name. Undefined if there is none. */
  get(digest: Digest): Promise<Digest | undefined> {
    return isTarSum(digest) ? this.#byTarSum(digest) : this.#links.read(this.path(digest))
  }

  /** A TarSum counts only beside the canonical name: registries that don't know TarSums delete that one alone. */
  async #byTarSum(name: Digest): Promise<Digest | undefined> {
    const canonical = await this.#links.read(this.path(name))
    return canonical && this.#links.read(this.path(canonical))
  }

  /** The path of the link, whether or not it exists. */
  path(name: Digest): string {
    return `${this.#member(name)}/link`
  }

  /** Adds content by its canonical digest and, if it has another, by that one too. */
  async add(canonical: Digest, name: Digest = canonical, precedence?: Precedence): Promise<void> {
    const added = this.#links.write(this.path(canonical), canonical, precedence)
    if (name === canonical) return added
    await settleAll([added, this.#links.write(this.path(name), canonical, { after: added })])
  }

  /** Makes the link of this name durable, if it exists. */
  settle(name: Digest): Promise<void> {
    return this.#links.settle(this.path(name))
  }

  /** Removes every name of the content, the canonical one last, and returns them. */
  async remove(canonical: Digest): Promise<Digest[]> {
    const aliases: Digest[] = []
    for await (const { name, target } of this.#targets(this.#aliases()))
      if (target === canonical) aliases.push(name)
    await settleAll(aliases.map((name) => this.#removeOne(name)))
    await this.#removeOne(canonical)
    return [...aliases, canonical]
  }

  /** Every name in the set, in byte order. */
  async *all(page: Page = {}): AsyncIterable<Digest> {
    for await (const { name, target } of this.#targets(this.#names(page)))
      if (target !== undefined) yield name
  }

  /** Every name with the canonical digest that it stands for, in byte order of the names. */
  async *entries(): AsyncIterable<{ readonly name: Digest; readonly target: Digest }> {
    for await (const { name, target } of this.#targets(this.#names({})))
      if (target !== undefined) yield { name, target }
  }

  /** Reads the links. */
  #targets(names: AsyncIterable<Digest>): AsyncIterable<{ name: Digest; target: Digest | undefined }> {
    const work = async (name: Digest) => ({ name, target: await this.get(name) })
    return mapInOrder(names, { concurrency: READ_CONCURRENCY, work })
  }

  /** The names of all folders that look like links. */
  async *#names({ after }: Page): AsyncIterable<Digest> {
    for await (const algorithm of this.#algorithms()) {
      const prefix = `${algorithm}:`
      if (after !== undefined && after > prefix && !after.startsWith(prefix)) continue
      const afterHex = after?.startsWith(prefix) ? after.slice(prefix.length) : undefined
      for await (const entry of this.#storage.list(this.#folderOf(algorithm), { after: afterHex })) {
        const digest = digestFromFolder(algorithm, entry.name)
        if (digest !== undefined) yield digest
      }
    }
  }

  async *#aliases(): AsyncIterable<Digest> {
    for await (const algorithm of this.#algorithms()) {
      if (algorithm === CANONICAL) continue
      for await (const entry of this.#storage.list(this.#folderOf(algorithm))) {
        const digest = digestFromFolder(algorithm, entry.name)
        if (digest !== undefined) yield digest
      }
    }
  }

  async #removeOne(name: Digest): Promise<void> {
    this.#links.forget(this.path(name))
    await this.#storage.delete(this.#member(name))
    this.#links.forget(this.path(name))
  }

  /** Those of which there may be names. */
  async *#algorithms(): AsyncIterable<DigestAlgorithm> {
    yield* ALGORITHMS
    if (!this.#hasTarSums) return
    const versions = new Set<string>()
    for await (const { name } of this.#storage.list(`${this.folder}/${TARSUM_FOLDER}`)) versions.add(name)
    yield* TARSUM_ALGORITHMS.filter((algorithm) => versions.has(tarSumVersion(algorithm)))
  }

  #folderOf(algorithm: DigestAlgorithm): string {
    return `${this.folder}/${algorithmFolder(algorithm)}`
  }

  #member(digest: Digest): string {
    return `${this.folder}/${digestFolder(digest)}`
  }
}
