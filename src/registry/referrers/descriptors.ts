import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest } from '../../core/digest.ts'
import { RegistryError, StorageError } from '../../core/errors.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import { bucketOf, type ReferrerBucket, type ReferrerLinks } from './links.ts'
import type { RememberedBucket, RememberedReferrer } from './memory.ts'
import { readReferrer } from './read-referrer.ts'
import { abridge, type KnownReferrer, readSummary, writeSummary } from './summary.ts'

/** Below this number of referrers the manifests are read. Above it the summary is read, and extended each
 *  time that as many are missing from it. */
const WORTH_A_SUMMARY = 32

const READ_CONCURRENCY = 16

/** The descriptors in a list of referrers: from memory, from the summary of the bucket, or from the
 *  manifests. All three are derived from immutable bytes, so a summary may be incomplete, and several
 *  processes may write it. */
export class ReferrerDescriptors {
  readonly #context: RepositoryContext
  readonly #links: ReferrerLinks

  constructor(context: RepositoryContext, links: ReferrerLinks) {
    this.#context = context
    this.#links = links
  }

  /** The descriptors in the order of the names, without missing manifests. */
  async of(bucket: ReferrerBucket): Promise<RememberedReferrer[]> {
    const summary = this.#summary(bucket)
    const remembered = this.#context.referrerMemory.bucket(summary)
    const missing = bucket.names.filter((name) => remembered.get(name) === undefined)
    if (missing.length > 0) await this.#find(missing, { bucket, remembered, summary })
    return bucket.names.map((name) => remembered.get(name)).filter((referrer) => referrer !== undefined)
  }

  /** Adds a referrer that was pushed just now. */
  async add(subject: Digest, descriptor: ReferrerDescriptor): Promise<void> {
    const { referrerMemory: memory } = this.#context
    const summary = this.#summary({ subject, key: bucketOf(descriptor.digest) })
    const remembered = memory.bucket(summary)
    remembered.add(abridge(descriptor))
    const unsummarised = remembered.addUnsummarised(descriptor.digest, WORTH_A_SUMMARY)
    memory.keep(summary, remembered)
    if (unsummarised.length > 0) await this.#summarise(summary, { added: unsummarised })
  }

  /** Records that a manifest was deleted. */
  removed(subject: Digest, name: Digest): void {
    this.#context.referrerMemory.bucket(this.#summary({ subject, key: bucketOf(name) })).unsee(name)
  }

  /** A descriptor with all its annotations. Undefined if the manifest is missing or damaged. */
  async whole(subject: Digest, known: KnownReferrer): Promise<ReferrerDescriptor | undefined> {
    return known.abridged ? this.#read(subject, known.descriptor.digest) : known.descriptor
  }

  async #find(missing: readonly Digest[], { bucket, remembered, summary }: Search): Promise<void> {
    const { own, referrerMemory: memory } = this.#context
    const kept = missing.length < WORTH_A_SUMMARY ? [] : await readSummary(own, summary)
    const names = new Set(bucket.names)
    for (const known of kept) if (names.has(known.descriptor.digest)) remembered.add(known)
    const learnt = await this.#learn(
      bucket,
      missing.filter((name) => remembered.get(name) === undefined),
    )
    for (const known of learnt) remembered.add(known)
    memory.keep(summary, remembered)
    if (learnt.length < WORTH_A_SUMMARY) return
    const there = bucket.whole ? kept.filter((known) => names.has(known.descriptor.digest)) : kept
    await this.#summarise(summary, { there, added: learnt })
  }

  /** Reads the manifests. */
  async #learn({ subject }: ReferrerBucket, names: readonly Digest[]): Promise<KnownReferrer[]> {
    const learnt: KnownReferrer[] = []
    const work = (name: Digest) => this.#read(subject, name)
    for await (const descriptor of mapInOrder(names, { concurrency: READ_CONCURRENCY, work })) {
      if (descriptor === undefined) continue
      learnt.push(abridge(descriptor))
    }
    return learnt
  }

  async #read(subject: Digest, name: Digest): Promise<ReferrerDescriptor | undefined> {
    const { pool } = this.#context
    const canonical = algorithmOf(name) === CANONICAL ? name : await this.#links.canonical(subject, name)
    return canonical && (await readReferrer(pool, { canonical, name }))?.descriptor
  }

  /** Extends the summary, which is read unless it is in memory. A failure is only logged: this request is
   *  served, and later ones are slower. */
  async #summarise(
    path: string,
    { there, added }: { there?: readonly KnownReferrer[]; added: readonly KnownReferrer[] },
  ): Promise<void> {
    const { own, readOnly, log } = this.#context
    if (readOnly) return
    try {
      const known = [...(there ?? (await readSummary(own, path))), ...added]
      const byName = new Map(known.map((one) => [one.descriptor.digest, one]))
      await writeSummary(own, path, [...byName.values()])
    } catch (error) {
      if (!(error instanceof StorageError || error instanceof RegistryError)) throw error
      log.warn({ path, err: error }, 'a summary of referrers could not be written')
    }
  }

  #summary({ subject, key }: Pick<ReferrerBucket, 'subject' | 'key'>): string {
    return this.#context.paths.subject(subject).summary(key)
  }
}

interface Search {
  readonly bucket: ReferrerBucket
  readonly remembered: RememberedBucket
  /** The path of the bucket's summary. */
  readonly summary: string
}
