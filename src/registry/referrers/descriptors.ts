import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { algorithmOf, CANONICAL, type Digest } from '../../core/digest.ts'
import { RegistryError, StorageError } from '../../core/errors.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import { bucketOf, type ReferrerBucket, type ReferrerLinks } from './links.ts'
import type { RememberedBucket, RememberedReferrer } from './memory.ts'
import { readReferrer } from './read-referrer.ts'
import { abridge, type KnownReferrer, readSummary, writeSummary } from './summary.ts'

/** Of fewer names than this the manifests are read. Of more the summary is, and what it lacks is added to it as soon as
 *  that is so many again. */
const WORTH_A_SUMMARY = 32

const READ_CONCURRENCY = 16

/** What the list says of the referrers it names. It is looked for in memory, in the summary of the bucket, and in the
 *  manifest itself. Whatever is found in either is right, because it follows from bytes that never change; so a summary
 *  may lag behind, and several processes may write it. */
export class ReferrerDescriptors {
  readonly #context: RepositoryContext
  readonly #links: ReferrerLinks

  constructor(context: RepositoryContext, links: ReferrerLinks) {
    this.#context = context
    this.#links = links
  }

  /** In the order of the names; those are missing whose manifests are. */
  async of(bucket: ReferrerBucket): Promise<RememberedReferrer[]> {
    const summary = this.#summary(bucket)
    const remembered = this.#context.referrerMemory.bucket(summary)
    const missing = bucket.names.filter((name) => remembered.get(name) === undefined)
    if (missing.length > 0) await this.#find(missing, { bucket, remembered, summary })
    return bucket.names.map((name) => remembered.get(name)).filter((referrer) => referrer !== undefined)
  }

  /** Takes note of a referrer that has just been pushed. */
  async add(subject: Digest, descriptor: ReferrerDescriptor): Promise<void> {
    const { referrerMemory: memory } = this.#context
    const summary = this.#summary({ subject, key: bucketOf(descriptor.digest) })
    const remembered = memory.bucket(summary)
    remembered.add(abridge(descriptor))
    const unsummarised = remembered.addUnsummarised(descriptor.digest, WORTH_A_SUMMARY)
    memory.keep(summary, remembered)
    if (unsummarised.length > 0) await this.#summarise(summary, { added: unsummarised })
  }

  /** Takes note that a manifest was deleted. */
  removed(subject: Digest, name: Digest): void {
    this.#context.referrerMemory.bucket(this.#summary({ subject, key: bucketOf(name) })).unsee(name)
  }

  /** With all its annotations; undefined when the manifest is missing or damaged. */
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

  /** From the manifests themselves. */
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

  /** Adds to the summary, which is read unless it is at hand. A failure is logged only: the request that led here is served, and
   *  the next one may be slower. */
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
  /** The path of the bucket's. */
  readonly summary: string
}
