import { LRUCache } from 'lru-cache'
import type { ReferrerDescriptor } from '../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest, hexOf } from '../core/digest.ts'
import { RegistryError, StorageError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blob-pool.ts'
import { mapInOrder } from './map-in-order.ts'
import type { RepositoryPaths } from './paths.ts'
import { readReferrer } from './read-referrer.ts'
import type { ReferrerLinks } from './referrer-links.ts'
import { abridge, type KnownReferrer, readSummary, writeSummary } from './referrer-summary.ts'

/** What this process remembers of the referrers that it listed or took last, of all repositories. */
export class ReferrerMemory {
  readonly #unsummarised = new LRUCache<string, Digest[]>({ max: MAX_UNSUMMARISED })
  readonly #known = new LRUCache<Digest, KnownReferrer>({
    maxSize: MAX_REMEMBERED,
    sizeCalculation: ({ descriptor }) => JSON.stringify(descriptor).length + OVERHEAD,
  })

  get(name: Digest): KnownReferrer | undefined {
    return this.#known.get(name)
  }

  remember(known: KnownReferrer): void {
    this.#known.set(known.descriptor.digest, known)
  }

  /** Counts a referrer that was pushed; gives back those of its bucket when they are worth a summary, and forgets that
   *  they were not in one.
   *  @param path of the summary */
  addUnsummarised(path: string, name: Digest): readonly KnownReferrer[] {
    const waiting = this.#unsummarised.get(path) ?? []
    waiting.push(name)
    this.#unsummarised.set(path, waiting.length < WORTH_A_SUMMARY ? waiting : [])
    if (waiting.length < WORTH_A_SUMMARY) return []
    return waiting.map((one) => this.#known.get(one)).filter((known) => known !== undefined)
  }
}

/** Summaries that wait for more referrers. */
const MAX_UNSUMMARISED = 1_000

/** In characters, which are bytes in most descriptors. */
const MAX_REMEMBERED = 16 * 1024 * 1024
const OVERHEAD = 200

/** Some of a subject's referrers, in byte order: those of one algorithm whose hex begins with one digit. */
export interface ReferrerBucket {
  readonly subject: Digest
  /** `bucketOf` each of the names. */
  readonly key: string
  readonly names: readonly Digest[]
  /** False when the bucket may hold more that stand before the first of these. */
  readonly whole: boolean
}

export interface ReferrerDescriptorParts {
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly links: ReferrerLinks
  readonly memory: ReferrerMemory
  readonly paths: RepositoryPaths
  readonly readOnly: boolean
  readonly log: Log
}

/** A bucket with fewer names has no summary; and so many manifests are read at most before what they say is added to
 *  it. */
const WORTH_A_SUMMARY = 32

const READ_CONCURRENCY = 16

/** What the list says of the referrers it names. It is looked for in memory, in the summary of the bucket, and in the
 *  manifest itself. Whatever is found in either is right, because it follows from bytes that never change; so a summary
 *  may lag behind, and several processes may write it. */
export class ReferrerDescriptors {
  readonly #parts: ReferrerDescriptorParts

  constructor(parts: ReferrerDescriptorParts) {
    this.#parts = parts
  }

  /** In the order of the names; those are missing whose manifests are. */
  async of(bucket: ReferrerBucket): Promise<KnownReferrer[]> {
    const { memory } = this.#parts
    const found = new Map<Digest, KnownReferrer>()
    for (const name of bucket.names) keep(found, memory.get(name))
    if (found.size < bucket.names.length) await this.#findRest(bucket, found)
    return bucket.names.map((name) => found.get(name)).filter((known) => known !== undefined)
  }

  /** Takes note of a referrer that has just been pushed. */
  async add(subject: Digest, descriptor: ReferrerDescriptor): Promise<void> {
    const { storage, memory, paths } = this.#parts
    memory.remember(abridge(descriptor))
    const path = paths.subject(subject).summary(bucketOf(descriptor.digest))
    const added = memory.addUnsummarised(path, descriptor.digest)
    if (added.length === 0) return
    const names = new Set(added.map((known) => known.descriptor.digest))
    const others = (await readSummary(storage, path)).filter((known) => !names.has(known.descriptor.digest))
    await this.#summarise(path, [...others, ...added])
  }

  /** With all its annotations; undefined when the manifest is missing or damaged. */
  async whole({
    subject,
    known,
  }: {
    subject: Digest
    known: KnownReferrer
  }): Promise<ReferrerDescriptor | undefined> {
    if (!known.abridged) return known.descriptor
    return this.#read(subject, known.descriptor.digest)
  }

  async #findRest(bucket: ReferrerBucket, found: Map<Digest, KnownReferrer>): Promise<void> {
    const { storage, memory, paths } = this.#parts
    const path = paths.subject(bucket.subject).summary(bucket.key)
    const summary = bucket.names.length < WORTH_A_SUMMARY ? [] : await readSummary(storage, path)
    const names = new Set(bucket.names)
    const kept = bucket.whole ? summary.filter(({ descriptor }) => names.has(descriptor.digest)) : summary
    for (const known of kept) {
      if (!names.has(known.descriptor.digest)) continue
      memory.remember(known)
      found.set(known.descriptor.digest, known)
    }
    const learnt = await this.#learn(
      bucket,
      bucket.names.filter((name) => !found.has(name)),
    )
    for (const known of learnt) found.set(known.descriptor.digest, known)
    if (learnt.length >= WORTH_A_SUMMARY) await this.#summarise(path, [...kept, ...learnt])
  }

  /** From the manifests themselves. */
  async #learn({ subject }: ReferrerBucket, names: readonly Digest[]): Promise<KnownReferrer[]> {
    const learnt: KnownReferrer[] = []
    const work = (name: Digest) => this.#read(subject, name)
    for await (const descriptor of mapInOrder(names, { concurrency: READ_CONCURRENCY, work })) {
      if (descriptor === undefined) continue
      const known = abridge(descriptor)
      this.#parts.memory.remember(known)
      learnt.push(known)
    }
    return learnt
  }

  async #read(subject: Digest, name: Digest): Promise<ReferrerDescriptor | undefined> {
    const { links, pool } = this.#parts
    const canonical = algorithmOf(name) === CANONICAL ? name : await links.canonical(subject, name)
    return canonical && (await readReferrer(pool, { canonical, name }))?.descriptor
  }

  /** Whoever asked for the list gets it, whether or not the next one will be quicker. */
  async #summarise(path: string, referrers: readonly KnownReferrer[]): Promise<void> {
    const { storage, readOnly, log } = this.#parts
    if (readOnly) return
    try {
      await writeSummary(storage, path, referrers)
    } catch (error) {
      if (!(error instanceof StorageError || error instanceof RegistryError)) throw error
      log.warn({ path, err: error }, 'a summary of referrers could not be written')
    }
  }
}

function keep(found: Map<Digest, KnownReferrer>, known: KnownReferrer | undefined): void {
  if (known !== undefined) found.set(known.descriptor.digest, known)
}

/** Names fall into the same bucket as long as this is the same. */
export function bucketOf(name: Digest): string {
  return `${algorithmOf(name)}-${hexOf(name).slice(0, 1)}`
}
