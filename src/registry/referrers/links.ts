import {
  ALGORITHMS,
  algorithmOf,
  CANONICAL,
  type Digest,
  type HashAlgorithm,
  hexOf,
} from '../../core/digest.ts'
import type { Page } from '../../core/registry.ts'
import type { Precedence } from '../../core/storage-driver.ts'
import type { RepositoryContext } from '../context.ts'
import { digestFromFolder } from '../paths.ts'

/** A manifest that refers to another. */
export interface LinkedReferrer {
  readonly subject: Digest
  /** The digest that it was pushed by. */
  readonly name: Digest
  readonly canonical: Digest
}

/** Some of a subject's referrers, in byte order: those of one algorithm whose hex begins with one digit. */
export interface ReferrerBucket {
  readonly subject: Digest
  /** `bucketOf` each of the names. */
  readonly key: string
  readonly names: readonly Digest[]
  /** False if the bucket may have more names before the first of these. */
  readonly whole: boolean
}

/** The bucket of a name. */
export function bucketOf(name: Digest): string {
  return `${algorithmOf(name)}-${hexOf(name).slice(0, 1)}`
}

/** The links of referrers. Before a manifest appears its link is written, and it is removed after the
 *  manifest; so an existing manifest always has its link, and a link without a manifest is skipped. */
export class ReferrerLinks {
  readonly #context: RepositoryContext

  constructor(context: RepositoryContext) {
    this.#context = context
  }

  add(referrer: LinkedReferrer, precedence?: Precedence): Promise<void> {
    return this.#context.ownLinks.write(this.#link(referrer), referrer.canonical, precedence)
  }

  /** Repairs the link after a manifest was added or removed, if another process has done the opposite
   *  meanwhile: the second of the two finds what the first has left. */
  async confirm(referrer: LinkedReferrer): Promise<void> {
    const [linked, there] = await Promise.all([this.has(referrer), this.isThere(referrer.name)])
    if (there && !linked) await this.add(referrer)
  }

  async remove(referrer: LinkedReferrer): Promise<void> {
    await this.#context.storage.delete(this.#folder(referrer))
    await this.confirm(referrer)
  }

  async has(referrer: LinkedReferrer): Promise<boolean> {
    return (await this.#context.ownLinks.read(this.#link(referrer))) !== undefined
  }

  /** True if the subject's list has the manifest by any name. */
  async hasByAnyName({ subject, canonical }: LinkedReferrer): Promise<boolean> {
    if (await this.has({ subject, name: canonical, canonical })) return true
    for (const algorithm of ALGORITHMS) {
      if (algorithm === CANONICAL) continue
      for await (const { name } of this.#context.own.list(
        this.#context.paths.subject(subject).referrers(algorithm),
      )) {
        const alias = digestFromFolder(algorithm, name)
        if (alias !== undefined && (await this.canonical(subject, alias)) === canonical) return true
      }
    }
    return false
  }

  /** The canonical digest of the referrer of this name. */
  canonical(subject: Digest, name: Digest): Promise<Digest | undefined> {
    return this.#context.ownLinks.read(this.#link({ subject, name }))
  }

  /** True if the repository has the manifest. */
  async isThere(name: Digest): Promise<boolean> {
    return (await this.#context.revisions.get(name)) !== undefined
  }

  /** The names of the referrers in byte order, without checking that the manifests exist. */
  async *buckets(subject: Digest, { after }: Page = {}): AsyncIterable<ReferrerBucket> {
    for (const algorithm of ALGORITHMS) {
      const prefix = `${algorithm}:`
      if (after !== undefined && after > prefix && !after.startsWith(prefix)) continue
      const afterHex = after?.startsWith(prefix) ? after.slice(prefix.length) : ''
      yield* this.#bucketsBy(algorithm, { subject, afterHex })
    }
  }

  async *#bucketsBy(
    algorithm: HashAlgorithm,
    { subject, afterHex }: { subject: Digest; afterHex: string },
  ): AsyncIterable<ReferrerBucket> {
    const folder = this.#context.paths.subject(subject).referrers(algorithm)
    let digit = ''
    let names: Digest[] = []
    const bucket = () => ({ subject, key: `${algorithm}-${digit}`, names, whole: digit !== afterHex[0] })
    for await (const { name: hex } of this.#context.own.list(folder, { after: afterHex })) {
      const name = digestFromFolder(algorithm, hex)
      if (name === undefined) continue
      if (hex[0] !== digit) {
        if (names.length > 0) yield bucket()
        digit = hex.slice(0, 1)
        names = []
      }
      names.push(name)
    }
    if (names.length > 0) yield bucket()
  }

  #link(referrer: Pick<LinkedReferrer, 'subject' | 'name'>): string {
    return `${this.#folder(referrer)}/link`
  }

  #folder({ subject, name }: Pick<LinkedReferrer, 'subject' | 'name'>): string {
    return this.#context.paths.subject(subject).referrer(name)
  }
}
