import type { Collectable } from '../../core/collection/collectable.ts'
import type { RepositoryContent } from '../../core/collection/removable.ts'
import type { Digest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { TagUsage } from '../../core/lifecycle/usage.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'

/** What a repository has, by digests. */
export interface CountedRepository {
  readonly name: string
  /** Distinct content that its manifests refer to, and they themselves. */
  readonly bytes: number
  readonly ownBytes: number
  readonly tags: readonly TagUsage[]
  readonly manifests: number
}

export interface CountedOrganisation {
  readonly name: string
  readonly bytes: number
  readonly tags: number
}

export interface CountOptions {
  readonly content: Collectable
  readonly signal?: AbortSignal | undefined
}

interface Found {
  readonly content: RepositoryContent
  readonly manifests: Map<Digest, readonly Digest[]>
  /** All of it. */
  readonly digests: Set<Digest>
}

const CONCURRENCY = 16

/** Counts what all repositories have, off storage; single ones can be counted again. Some hundred bytes of memory for each manifest and what it
 *  refers to. */
export class UsageCount {
  readonly #options: CountOptions
  readonly #sizes: Map<Digest, number>
  readonly #found = new Map<string, Found>()

  private constructor(options: CountOptions, sizes: Map<Digest, number>) {
    this.#options = options
    this.#sizes = sizes
  }

  /** @throws StorageError */
  static async begin(options: CountOptions): Promise<UsageCount> {
    const count = new UsageCount(options, await readSizes(options))
    for await (const content of options.content.repositories()) await count.#add(content)
    return count
  }

  /** @throws StorageError */
  async again(repository: RepositoryName): Promise<void> {
    this.#found.delete(repository)
    await this.#add(await this.#options.content.contentOf(repository))
  }

  get result(): { repositories: CountedRepository[]; organisations: CountedOrganisation[] } {
    const all = [...this.#found.values()]
    const holders = new Map<Digest, number>()
    for (const { digests } of all)
      for (const digest of digests) holders.set(digest, (holders.get(digest) ?? 0) + 1)
    const sizeOf = (digest: Digest) => this.#sizes.get(digest) ?? 0
    const repositories = all.map((found) => counted(found, { sizeOf, holders }))
    return { repositories, organisations: organisationsOf(all, sizeOf) }
  }

  async #add(content: RepositoryContent): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const found = await read(content, this.#options)
    if (found.digests.size === 0) return
    for (const digest of found.digests) if (!this.#sizes.has(digest)) await this.#measure(digest)
    this.#found.set(content.repository, found)
  }

  /** Blobs that were pushed since the sizes were read. What is missing takes up nothing. */
  async #measure(digest: Digest): Promise<void> {
    const { content } = this.#options
    try {
      const info = await content.storage.stat(content.pathOf(digest))
      this.#sizes.set(digest, info.kind === 'file' ? info.size : 0)
    } catch (error) {
      if (!isPathNotFound(error)) throw error
    }
  }
}

async function readSizes({ content, signal }: CountOptions): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>()
  for await (const page of content.pool()) {
    signal?.throwIfAborted()
    for (const { digest, size } of page) sizes.set(digest, size)
  }
  return sizes
}

/** A manifest that can't be read counts by its own size. */
async function read(
  content: RepositoryContent,
  { content: collectable, signal }: CountOptions,
): Promise<Found> {
  const manifests = new Map<Digest, readonly Digest[]>()
  const digests = new Set<Digest>()
  const work = async ({ digest }: { digest: Digest }) => ({
    digest,
    found: await collectable.references(content.repository, digest).catch((error) => {
      if (isPathNotFound(error)) return { digests: [] }
      throw error
    }),
  })
  for await (const { digest, found } of mapInOrder(content.manifests, { concurrency: CONCURRENCY, work })) {
    signal?.throwIfAborted()
    const references = 'unreadable' in found ? [] : found.digests
    manifests.set(digest, references)
    digests.add(digest)
    for (const one of references) digests.add(one)
  }
  return { content, manifests, digests }
}

function counted(
  { content, manifests, digests }: Found,
  { sizeOf, holders }: { sizeOf: (digest: Digest) => number; holders: ReadonlyMap<Digest, number> },
): CountedRepository {
  const reached = new Map([...content.tags].map(([tag, digest]) => [tag, reachable(digest, manifests)]))
  const taggers = new Map<Digest, number>()
  for (const some of reached.values()) for (const one of some) taggers.set(one, (taggers.get(one) ?? 0) + 1)
  const sum = (some: Iterable<Digest>, isCounted: (digest: Digest) => boolean = () => true) => {
    let bytes = 0
    for (const digest of some) if (isCounted(digest)) bytes += sizeOf(digest)
    return bytes
  }
  const isOwn = (digest: Digest) => holders.get(digest) === 1
  const tags = [...content.tags].map(([tag, digest]): TagUsage => {
    const some = reached.get(tag) ?? new Set()
    return {
      tag,
      digest,
      bytes: sum(some),
      ownBytes: sum(some, (one) => isOwn(one) && taggers.get(one) === 1),
    }
  })
  return {
    ...{ name: content.repository, bytes: sum(digests), ownBytes: sum(digests, isOwn), tags },
    manifests: manifests.size,
  }
}

/** A manifest, and all that it needs. */
function reachable(
  digest: Digest,
  manifests: ReadonlyMap<Digest, readonly Digest[]>,
  found = new Set<Digest>(),
): Set<Digest> {
  if (found.has(digest)) return found
  found.add(digest)
  for (const one of manifests.get(digest) ?? []) {
    if (manifests.has(one)) reachable(one, manifests, found)
    else found.add(one)
  }
  return found
}

function organisationsOf(all: readonly Found[], sizeOf: (digest: Digest) => number): CountedOrganisation[] {
  const organisations = new Map<string, { digests: Set<Digest>; tags: number }>()
  for (const { content, digests } of all) {
    const name = organisationOf(content.repository)
    const sum = organisations.get(name) ?? { digests: new Set<Digest>(), tags: 0 }
    organisations.set(name, sum)
    sum.tags += content.tags.size
    for (const digest of digests) sum.digests.add(digest)
  }
  return [...organisations].map(([name, { digests, tags }]) => {
    let bytes = 0
    for (const digest of digests) bytes += sizeOf(digest)
    return { name, bytes, tags }
  })
}

/** The first component of a repository's name. */
export function organisationOf(repository: string): string {
  return repository.split('/', 1)[0] ?? repository
}
