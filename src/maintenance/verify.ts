import type { Collectable, ManifestReferences } from '../core/collection/collectable.ts'
import type { RepositoryContent } from '../core/collection/removable.ts'
import type { Digest } from '../core/digest.ts'
import type { RepositoryName } from '../core/reference.ts'
import { mapInOrder } from '../lib/map-in-order.ts'
import { type BytesCondition, checkBytes } from './scrub/check-bytes.ts'

export interface VerifyOptions {
  readonly content: Collectable
  readonly repository: RepositoryName
  /** Undefined for everything in the repository. */
  readonly tag?: string | undefined
  /** What the repository has, if it is known. */
  readonly found?: RepositoryContent | undefined
  /** Default: all bytes of the blob are read. */
  readonly checkBlob?: ((digest: Digest) => Promise<BytesCondition>) | undefined
  readonly signal?: AbortSignal | undefined
}

/** How many manifests are read side by side. */
const CONCURRENCY = 8

/** What is wrong with content of a repository. */
export interface VerifyFinding {
  /** A tag, or a digest. */
  readonly name: string
  readonly problem: string
  /** The blob or manifest whose bytes are missing or damaged, if that is the problem. */
  readonly broken?: Digest
}

export interface VerifyReport {
  readonly manifests: number
  readonly blobs: number
  /** Read and compared with their digests. */
  readonly bytes: number
  readonly findings: readonly VerifyFinding[]
}

/** Reads everything that a tag or a repository needs, past every cache, and compares it with its digests.
 *  @throws StorageError */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { content, repository, tag } = options
  const found = options.found ?? (await content.contentOf(repository))
  const verification = new Verification(options, found)
  if (tag === undefined) {
    verification.reportBrokenTags()
    for (const [name, digest] of found.tags) verification.requireManifest(digest, `tag ${name}`)
    for (const { digest } of found.manifests) verification.requireManifest(digest, digest)
  } else verification.requireTag(tag)
  await verification.run()
  return verification.report
}

class Verification {
  readonly #options: VerifyOptions
  readonly #found: RepositoryContent
  readonly #manifests: ReadonlySet<Digest>
  readonly #reached = new Set<Digest>()
  readonly #queue: Digest[] = []
  readonly #findings: VerifyFinding[] = []
  #blobs = 0
  #bytes = 0

  constructor(options: VerifyOptions, found: RepositoryContent) {
    this.#options = options
    this.#found = found
    this.#manifests = new Set(found.manifests.map(({ digest }) => digest))
  }

  get report(): VerifyReport {
    const manifests = [...this.#reached].filter((digest) => this.#manifests.has(digest)).length
    return { manifests, blobs: this.#blobs, bytes: this.#bytes, findings: this.#findings }
  }

  reportBrokenTags(): void {
    for (const tag of this.#found.brokenTags)
      this.#findings.push({ name: `tag ${tag}`, problem: 'leads nowhere: its link names no digest' })
  }

  requireTag(tag: string): void {
    const digest = this.#found.tags.get(tag)
    if (digest === undefined) this.#findings.push({ name: `tag ${tag}`, problem: 'there is no such tag' })
    else this.requireManifest(digest, `tag ${tag}`)
  }

  requireManifest(digest: Digest, name: string): void {
    if (this.#manifests.has(digest)) this.#queue.push(digest)
    else this.#findings.push({ name, problem: `leads to ${digest}, which the repository does not have` })
  }

  async run(): Promise<void> {
    const { content, repository, signal } = this.#options
    const linked = new Set<Digest>()
    for await (const blob of content.blobsOf(repository)) linked.add(blob)
    while (this.#queue.length > 0) {
      const digests = this.#queue.splice(0, CONCURRENCY).filter((digest) => this.#isNew(digest))
      const work = async (digest: Digest) => ({
        digest,
        references: await content.references(repository, digest),
      })
      for await (const { digest, references } of mapInOrder(digests, { concurrency: CONCURRENCY, work })) {
        signal?.throwIfAborted()
        await this.#checkManifest(digest, { references, linked })
      }
    }
  }

  #isNew(digest: Digest): boolean {
    const isNew = !this.#reached.has(digest)
    this.#reached.add(digest)
    return isNew
  }

  async #checkManifest(
    manifest: Digest,
    { references, linked }: { references: ManifestReferences; linked: ReadonlySet<Digest> },
  ): Promise<void> {
    if ('unreadable' in references) {
      this.#findings.push({ name: manifest, problem: references.unreadable, broken: manifest })
      return
    }
    for (const digest of references.digests) {
      if (this.#manifests.has(digest)) this.#queue.push(digest)
      else if (linked.has(digest)) await this.#checkBlob(digest)
      else if (!references.optional?.has(digest))
        this.#findings.push({
          name: manifest,
          problem: `needs ${digest}, which the repository does not have`,
        })
    }
  }

  async #checkBlob(digest: Digest): Promise<void> {
    if (!this.#isNew(digest)) return
    const { checkBlob = (blob) => this.#readBlob(blob) } = this.#options
    this.#blobs++
    const condition = await checkBlob(digest)
    if (condition !== 'intact')
      this.#findings.push({ name: digest, problem: `its bytes are ${condition}`, broken: digest })
  }

  #readBlob(digest: Digest): Promise<BytesCondition> {
    const { content, signal } = this.#options
    const onRead = (bytes: number) => {
      this.#bytes += bytes
    }
    return checkBytes(content.storage, { path: content.pathOf(digest), digest }, { onRead, signal })
  }
}
