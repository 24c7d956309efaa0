import type { ManifestSummary, PullSum } from '../../core/catalog/catalog-index.ts'
import { describeManifest } from '../../core/catalog/manifest-summary.ts'
import type { Digest } from '../../core/digest.ts'
import { isErrorOf } from '../../core/errors.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { Registry, Repository, TagEntry } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { CatalogChanges, DifferentTag } from '../sql/catalog-changes.ts'
import type { RepositoryLook } from '../sql/change-statements.ts'

export interface ComparisonParts {
  /** Over storage, without a cache: what is listed once would evict what is pulled. */
  readonly registry: Registry
  readonly changes: CatalogChanges
  /** Undefined if pulls are not recorded. */
  readonly pulls: Pick<RecordedPulls, 'of'> | undefined
}

/** Tags that are written together. */
const CHUNK = 1_000
const CONCURRENCY = 8

/** Looks at storage and corrects the index. */
export class Comparison {
  readonly #parts: ComparisonParts

  constructor(parts: ComparisonParts) {
    this.#parts = parts
  }

  /** Compares a repository.
   *  @throws RegistryError; the signal's reason if it is aborted */
  async repository(name: RepositoryName, signal?: AbortSignal): Promise<void> {
    const { registry, changes } = this.#parts
    const repository = registry.repository(name)
    const look = { repository: name, look: await changes.look() }
    const found = new Set<string>()
    for await (const entries of inChunks(repository.tags.entries())) {
      signal?.throwIfAborted()
      for (const { tag } of entries) found.add(tag)
      await this.#correct(repository, look, entries)
    }
    const isPresent = found.size > 0 || (await repository.exists())
    await changes.finish(look, { found, isPresent, pulls: await this.#pullsOf(name) })
  }

  /** Reads how often a repository was pulled. */
  async pulls(name: RepositoryName): Promise<void> {
    const { changes } = this.#parts
    const look = { repository: name, look: await changes.look() }
    const pulls = await this.#pullsOf(name)
    if (pulls !== undefined) await changes.setPulls(look, pulls)
  }

  /** Compares single tags of a repository. */
  async tags(name: RepositoryName, tags: Iterable<Tag>): Promise<void> {
    const { registry, changes } = this.#parts
    const repository = registry.repository(name)
    const look = { repository: name, look: await changes.look() }
    const entries: TagEntry[] = []
    const gone: Tag[] = []
    const work = async (tag: Tag) => ({ tag, entry: await repository.tags.entry(tag) })
    for await (const { tag, entry } of mapInOrder(tags, { concurrency: CONCURRENCY, work })) {
      if (entry === undefined) gone.push(tag)
      else entries.push(entry)
    }
    const different = await changes.differing(name, entries)
    await changes.set(look, { entries, gone }, await this.#describe(repository, different))
  }

  async #correct(repository: Repository, look: RepositoryLook, entries: readonly TagEntry[]): Promise<void> {
    const { changes } = this.#parts
    const different = await changes.differing(repository.name, entries)
    if (different.length === 0) return
    const names = new Set(different.map(({ tag }) => tag))
    const summaries = await this.#describe(repository, different)
    await changes.put(
      look,
      entries.filter(({ tag }) => names.has(tag)),
      summaries,
    )
  }

  async #pullsOf(name: RepositoryName): Promise<PullSum | undefined> {
    const { pulls: recorded } = this.#parts
    if (recorded === undefined) return undefined
    let sum: PullSum = { pulls: 0, lastPulledAt: null }
    for (const { pulls, lastPulledAt } of await recorded.of(name)) {
      const isLater = sum.lastPulledAt === null || lastPulledAt > sum.lastPulledAt
      sum = { pulls: sum.pulls + pulls, lastPulledAt: isLater ? lastPulledAt : sum.lastPulledAt }
    }
    return sum
  }

  async #describe(repository: Repository, different: readonly DifferentTag[]): Promise<ManifestSummary[]> {
    const digests = new Set(different.filter(({ isDescribed }) => !isDescribed).map(({ digest }) => digest))
    const summaries: ManifestSummary[] = []
    const work = (digest: Digest) => describeIfPresent(repository, digest)
    for await (const summary of mapInOrder(digests, { concurrency: CONCURRENCY, work }))
      if (summary !== undefined) summaries.push(summary)
    return summaries
  }
}

/** Undefined if it was deleted meanwhile, or only its tag is there, as of a mirrored image that is not fetched. */
async function describeIfPresent(
  repository: Repository,
  digest: Digest,
): Promise<ManifestSummary | undefined> {
  try {
    return await describeManifest(repository, digest)
  } catch (error) {
    if (isErrorOf(error, 'MANIFEST_UNKNOWN') || isErrorOf(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

async function* inChunks<Item>(items: AsyncIterable<Item>): AsyncIterable<Item[]> {
  let chunk: Item[] = []
  for await (const item of items) {
    chunk.push(item)
    if (chunk.length < CHUNK) continue
    yield chunk
    chunk = []
  }
  if (chunk.length > 0) yield chunk
}
