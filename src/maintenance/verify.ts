import type { Collectable } from '../core/collection/collectable.ts'
import type { RepositoryContent } from '../core/collection/removable.ts'
import { CANONICAL, type Digest, Digester } from '../core/digest.ts'
import { isPathNotFound } from '../core/errors.ts'
import type { RepositoryName } from '../core/reference.ts'

export interface VerifyOptions {
  readonly content: Collectable
  readonly repository: RepositoryName
  /** Undefined for everything in the repository. */
  readonly tag?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is wrong with content of a repository. */
export interface VerifyFinding {
  /** A tag, or a digest. */
  readonly name: string
  readonly problem: string
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
  const found = await content.contentOf(repository)
  const verification = new Verification(options, found)
  if (tag === undefined) {
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
    for (let digest = this.#queue.shift(); digest !== undefined; digest = this.#queue.shift()) {
      signal?.throwIfAborted()
      if (this.#reached.has(digest)) continue
      this.#reached.add(digest)
      await this.#checkManifest(digest, linked)
    }
  }

  async #checkManifest(manifest: Digest, linked: ReadonlySet<Digest>): Promise<void> {
    const { content, repository } = this.#options
    const references = await content.references(repository, manifest)
    if ('unreadable' in references) {
      this.#findings.push({ name: manifest, problem: references.unreadable })
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
    if (this.#reached.has(digest)) return
    this.#reached.add(digest)
    const { content, signal } = this.#options
    const digester = new Digester(CANONICAL)
    this.#blobs++
    try {
      const chunks = content.storage.read(content.pathOf(digest), signal && { signal })
      for await (const chunk of chunks) {
        digester.update(chunk)
        this.#bytes += chunk.length
      }
    } catch (error) {
      if (!isPathNotFound(error)) throw error
      this.#findings.push({ name: digest, problem: 'its bytes are missing' })
      return
    }
    if (digester.digest() !== digest) this.#findings.push({ name: digest, problem: 'its bytes are damaged' })
  }
}
