import { hash, randomUUID } from 'node:crypto'
import type { Collectable, Holding } from '../../core/collection/collectable.ts'
import { type Digest, hexOf } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { DigestSet } from '../../lib/collections/digest-set.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { PREFIX_BYTES } from './held-edges.ts'
import type { ManifestEdges } from './manifest-edges.ts'
import type { Pace } from './pace.ts'

/** A manifest of which nobody knows what it needs. */
export interface Finding {
  readonly repository: RepositoryName
  readonly manifest: Digest
  readonly reason: string
}

export interface MarkOptions {
  /** Links to blobs that were made from then on keep the blob, by the storage's clock. */
  readonly linkedSince: Date
  readonly pace: Pace
  readonly signal?: AbortSignal | undefined
}

/** How many manifests are read side by side. */
const CONCURRENCY = 16

/** What is not garbage. Marking again adds what has come since. */
export class Marks {
  readonly #content: Collectable
  readonly #edges: ManifestEdges
  readonly #marked = new DigestSet()
  /** What these manifests refer to is marked. */
  readonly #read = new ManifestSet()
  /** In a dry run: manifests that would be gone by now. */
  readonly #passedOver = new ManifestSet()
  readonly #findings = new Map<string, Finding>()
  #manifests = 0

  /** @param edges what manifests refer to that were read before */
  constructor(content: Collectable, edges: ManifestEdges) {
    this.#content = content
    this.#edges = edges
  }

  /** Manifests that were read. */
  get manifests(): number {
    return this.#manifests
  }

  get findings(): readonly Finding[] {
    return [...this.#findings.values()]
  }

  has(digest: Digest): boolean {
    return this.#marked.has(hexOf(digest))
  }

  /** Manifests that are to count as gone. */
  passOver(manifests: readonly Pick<Holding, 'repository' | 'digest'>[]): void {
    for (const { repository, digest } of manifests) this.#passedOver.add(repository, digest)
  }

  /** @throws StorageError if anything can't be read: then nothing may be collected */
  async mark({ linkedSince, pace, signal }: MarkOptions): Promise<void> {
    const work = async ({ repository, digest }: Holding) => {
      const found = await pace.during(() => this.#content.references(repository, digest))
      return { repository, digest, found }
    }
    const manifests = this.#unknown({ linkedSince, pace, signal })
    for await (const { repository, digest, found } of mapInOrder(manifests, {
      concurrency: CONCURRENCY,
      work,
    })) {
      this.#manifests++
      if ('unreadable' in found) {
        await this.#keepAll(repository, { digest, reason: found.unreadable })
        continue
      }
      this.#findings.delete(`${repository}@${digest}`)
      for (const one of found.digests) this.#marked.add(hexOf(one))
      this.#read.add(repository, digest)
      if (found.isOfRepository) continue
      this.#edges.add(digest, found.digests)
      await this.#edges.save()
    }
    await this.#edges.save({ isLast: true })
  }

  /** The manifests that must be read; what others refer to is marked. */
  async *#unknown(options: MarkOptions): AsyncIterable<Holding> {
    for await (const holding of this.#unread(options)) {
      const references = this.#edges.get(holding.digest)
      if (references === undefined) {
        yield holding
        continue
      }
      this.#manifests++
      for (let at = 0; at < references.length; at += PREFIX_BYTES)
        this.#marked.addPrefix(references.readUInt32BE(at), references.readUInt32BE(at + 4))
      this.#read.add(holding.repository, holding.digest)
    }
  }

  /** The manifests that must be read; all else is marked. */
  async *#unread({ linkedSince, pace, signal }: MarkOptions): AsyncIterable<Holding> {
    for await (const page of this.#content.holdings({ without: (blob) => this.has(blob) })) {
      signal?.throwIfAborted()
      await pace.take()
      for (const holding of page) {
        if (holding.kind === 'manifest' && this.#passedOver.has(holding.repository, holding.digest)) continue
        if (holding.kind !== 'blob' || holding.linkedAt >= linkedSince)
          this.#marked.add(hexOf(holding.digest))
        if (holding.kind === 'manifest' && !this.#read.has(holding.repository, holding.digest)) yield holding
      }
    }
  }

  /** The manifest may need any blob of its repository. */
  async #keepAll(
    repository: RepositoryName,
    { digest, reason }: { digest: Digest; reason: string },
  ): Promise<void> {
    this.#findings.set(`${repository}@${digest}`, { repository, manifest: digest, reason })
    for await (const blob of this.#content.blobsOf(repository)) this.#marked.add(hexOf(blob))
  }
}

/** Manifests of repositories, by 128 bits of a hash that nobody outside can foresee: no two can be made to look like one. What a
 *  manifest refers to depends on its repository, if it names something by another algorithm. */
class ManifestSet {
  readonly #salt = randomUUID()
  readonly #firstHalves = new DigestSet()
  readonly #secondHalves = new DigestSet()

  add(repository: RepositoryName, digest: Digest): void {
    const hex = this.#hashOf(repository, digest)
    this.#firstHalves.add(hex)
    this.#secondHalves.add(hex.slice(16))
  }

  has(repository: RepositoryName, digest: Digest): boolean {
    const hex = this.#hashOf(repository, digest)
    return this.#firstHalves.has(hex) && this.#secondHalves.has(hex.slice(16))
  }

  #hashOf(repository: RepositoryName, digest: Digest): string {
    return hash('sha256', `${this.#salt} ${repository}@${digest}`, 'hex')
  }
}
