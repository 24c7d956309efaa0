import type { ManifestSummary, PullSum } from '../../core/catalog/catalog-index.ts'
import { describeManifest } from '../../core/catalog/manifest-summary.ts'
import type { Digest } from '../../core/digest.ts'
import { isErrorOf } from '../../core/errors.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { Registry, Repository, TagEntry } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { CatalogChanges, DifferentTag, RepositorySeen } from '../sql/catalog-changes.ts'
import type { RepositoryTag } from '../sql/change-statements.ts'
import type { Courtesy } from './courtesy.ts'

export interface ComparisonParts {
  /** Over storage, without a cache: what is listed once would evict what is pulled. */
  readonly registry: Registry
  readonly changes: CatalogChanges
  /** Undefined if pulls are not recorded. */
  readonly pulls: Pick<RecordedPulls, 'of'> | undefined
}

/** Tags that are written together: a transaction costs as much as some thousand of them. */
const CHUNK = 5_000
/** Tags that are read at once. */
const PAGE = 1_000
/** Tags after which requests are thought of. */
const STEP = 100
/** Repositories without tags that are written together. */
const MAX_SEEN = 1_000
/** Repositories, tags and manifests that are read at the same time. */
const CONCURRENCY = 8

interface RepositoriesOptions {
  readonly look: number
  readonly signal?: AbortSignal | undefined
  readonly courtesy?: Courtesy | undefined
}

/** What is compared and written together. */
interface Chunk {
  readonly entries: RepositoryTag[]
  /** The repositories that end in it. */
  readonly seen: RepositorySeen[]
}

/** Looks at storage and corrects the index. */
export class Comparison {
  readonly #parts: ComparisonParts

  constructor(parts: ComparisonParts) {
    this.#parts = parts
  }

  /** Compares a repository.
   *  @throws RegistryError; the signal's reason if it is aborted */
  async repository(name: RepositoryName, signal?: AbortSignal): Promise<void> {
    await this.repositories([name], { look: await this.#parts.changes.look(), signal })
  }

  /** Compares repositories. Reads further ones while the index is written.
   *  @param options.look numbered before the first of them is read
   *  @param options.courtesy to requests. Default: they wait
   *  @throws as `repository` */
  async repositories(
    names: AsyncIterable<RepositoryName> | Iterable<RepositoryName>,
    { look, signal, courtesy }: RepositoriesOptions,
  ): Promise<void> {
    let writing = Promise.resolve()
    try {
      for await (const chunk of this.#chunks(names, { signal, courtesy })) {
        const different = await this.#differing(chunk)
        const summaries = await this.#describe(different)
        await writing
        writing = this.#write(look, { chunk, different, summaries })
        writing.catch(() => {}) // thrown below, where it is awaited
      }
    } finally {
      await writing
    }
  }

  /** Reads how often a repository was pulled. */
  async pulls(repository: RepositoryName): Promise<void> {
    const { changes } = this.#parts
    const look = await changes.look()
    const pulls = await this.#pullsOf(repository)
    if (pulls !== undefined) await changes.setPulls(look, { repository, pulls })
  }

  /** Compares single tags of repositories. */
  async tags(changed: ReadonlyMap<RepositoryName, Iterable<Tag>>): Promise<void> {
    const { registry, changes } = this.#parts
    const look = await changes.look()
    const entries: RepositoryTag[] = []
    const gone: (readonly [RepositoryName, Tag])[] = []
    const all = [...changed].flatMap(([name, tags]) => [...tags].map((tag) => [name, tag] as const))
    const work = async ([name, tag]: readonly [RepositoryName, Tag]) => ({
      ...{ name, tag },
      entry: await registry.repository(name).tags.entry(tag),
    })
    for await (const { name, tag, entry } of mapInOrder(all, { concurrency: CONCURRENCY, work })) {
      if (entry === undefined) gone.push([name, tag])
      else entries.push(entryOf(name, entry))
    }
    const summaries = await this.#describe(await changes.differing(entries))
    await changes.set(look, { repositories: [...changed.keys()], entries, gone }, summaries)
  }

  async *#chunks(
    names: AsyncIterable<RepositoryName> | Iterable<RepositoryName>,
    { signal, courtesy }: Pick<RepositoriesOptions, 'signal' | 'courtesy'>,
  ): AsyncIterable<Chunk> {
    let chunk: Chunk = { entries: [], seen: [] }
    const work = (name: RepositoryName) => this.#begin(name, courtesy)
    const begun = mapInOrder(names, { concurrency: CONCURRENCY, work })
    for await (const { repository, first, pages, pulls } of begun) {
      const found = new Set<string>()
      for (let page = first; !page.done; page = await pages.next()) {
        signal?.throwIfAborted()
        for (const entry of page.value) {
          found.add(entry.tag)
          chunk.entries.push(entryOf(repository.name, entry))
        }
        if (chunk.entries.length < CHUNK) continue
        yield chunk
        chunk = { entries: [], seen: [] }
      }
      const isPresent = found.size > 0 || (await repository.exists())
      chunk.seen.push({ repository: repository.name, found, isPresent, pulls })
      if (chunk.seen.length < MAX_SEEN) continue
      yield chunk
      chunk = { entries: [], seen: [] }
    }
    yield chunk
  }

  /** Reads the beginning of a repository, which is all of most. */
  async #begin(name: RepositoryName, courtesy: Courtesy | undefined) {
    await courtesy?.untilFree()
    const repository = this.#parts.registry.repository(name)
    const pages = inPages(repository.tags.entries(), courtesy)
    const [first, pulls] = await Promise.all([pages.next(), this.#pullsOf(name)])
    return { repository, first, pages, pulls }
  }

  #differing({ entries }: Chunk): Promise<DifferentTag[]> | DifferentTag[] {
    return entries.length === 0 ? [] : this.#parts.changes.differing(entries)
  }

  async #write(
    look: number,
    {
      chunk,
      different,
      summaries,
    }: { chunk: Chunk; different: DifferentTag[]; summaries: ManifestSummary[] },
  ): Promise<void> {
    const { changes } = this.#parts
    const entries = different.map(({ entry }) => entry)
    if (entries.length > 0) await changes.put(look, entries, summaries)
    await changes.finish(look, chunk.seen)
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

  async #describe(different: readonly DifferentTag[]): Promise<ManifestSummary[]> {
    const { registry } = this.#parts
    const repositories = new Map<Digest, Set<RepositoryName>>()
    for (const { entry, isDescribed } of different) {
      if (isDescribed) continue
      const having = repositories.get(entry.digest)
      if (having === undefined) repositories.set(entry.digest, new Set([entry.repository]))
      else having.add(entry.repository)
    }
    const summaries: ManifestSummary[] = []
    const work = async ([digest, names]: [Digest, Set<RepositoryName>]) => {
      for (const name of names) {
        const summary = await describeIfPresent(registry.repository(name), digest)
        if (summary !== undefined) return summary
      }
      return undefined
    }
    for await (const summary of mapInOrder(repositories, { concurrency: CONCURRENCY, work }))
      if (summary !== undefined) summaries.push(summary)
    return summaries
  }
}

function entryOf(repository: RepositoryName, { tag, digest, setAt }: TagEntry): RepositoryTag {
  return { repository, tag, digest, setAt }
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

async function* inPages<Item>(
  items: AsyncIterable<Item>,
  courtesy: Courtesy | undefined,
): AsyncGenerator<Item[], undefined> {
  let page: Item[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length % STEP === 0) await courtesy?.untilFree()
    if (page.length < PAGE) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
