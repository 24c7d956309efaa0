import type { Collectable, ManifestReferences } from '../../core/collection/collectable.ts'
import type {
  Condemnation,
  DoomedManifest,
  RepositoryContent,
  RepositoryManifest,
} from '../../core/collection/removable.ts'
import type { Digest } from '../../core/digest.ts'
import { RegistryError, StorageError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { Step } from '../runner.ts'
import type { Pace } from './pace.ts'
import { findUntagged, type ManifestLinks, type Untagged } from './untagged.ts'

/** A manifest that nothing keeps. */
export interface RemovedManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
}

export interface ManifestSweepOptions {
  readonly content: Collectable
  readonly pace: Pace
  /** Manifests that were pushed from then on are kept. */
  readonly youngSince: Date
  readonly dryRun: boolean
  /** Called with what is removed next, before. */
  readonly announce: (repository: RepositoryName, manifests: readonly Digest[]) => Promise<void>
  /** Throws if another collector has taken the place of this one. */
  readonly requireTenure: () => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Removes untagged manifests of a repository. */
export interface RemovalStep extends Step {
  /** Those that were removed, once it was carried out; in a dry run those that would be. */
  readonly removed: () => readonly RemovedManifest[]
}

/** How many manifests are condemned at a time. They are listed in a state that each push to the repository reads. */
const CONDEMNED = 4_000
/** How many are removed while pushes to the repository wait. */
const REMOVED = 100
const READ_CONCURRENCY = 16

/** Removes the manifests that no tag keeps, no kept index and no kept subject. See docs/garbage-collection.md. */
export class ManifestSweep {
  readonly #options: ManifestSweepOptions
  #postponed = 0

  constructor(options: ManifestSweepOptions) {
    this.#options = options
  }

  /** How many stay until the next collection, because others delete in their repositories, or because removing them took too long. */
  get postponed(): number {
    return this.#postponed
  }

  /** A step that fails ends it.
   *  @throws StorageError if anything can't be listed or read */
  async *steps(): AsyncGenerator<RemovalStep> {
    const { content, signal, pace } = this.#options
    for await (const found of content.repositories()) {
      signal?.throwIfAborted()
      await pace.take()
      const links = await this.#read(found, new Map())
      // Nobody knows what it keeps: then everything stays. Marking reports it.
      if (links === undefined) continue
      const untagged = findUntagged(found, { links, youngSince: this.#options.youngSince })
      const all = untagged.levels.flat()
      const removed: RemovedManifest[] = []
      for (let start = 0; start < all.length; start += CONDEMNED) {
        const some = all.slice(start, start + CONDEMNED)
        yield* this.#removal(found.repository, { some, links, removed })
      }
    }
  }

  async *#removal(
    repository: RepositoryName,
    {
      some,
      links,
      removed,
    }: { some: readonly Digest[]; links: Map<Digest, ManifestLinks>; removed: RemovedManifest[] },
  ): AsyncGenerator<RemovalStep> {
    const { dryRun } = this.#options
    const before = removed.length
    let failure: unknown
    let isDone = dryRun
    const run = async () => {
      if (dryRun) throw new Error('these steps are those of a dry run')
      try {
        await this.#remove(repository, { some, links, removed })
        isDone = true
      } catch (error) {
        failure = error
        throw error
      }
    }
    if (dryRun) removed.push(...some.map((digest) => ({ repository, digest })))
    yield {
      intent: { action: 'remove untagged manifests', repository, manifests: some.length },
      run,
      removed: () => removed.slice(before),
    }
    if (!isDone) throw failure ?? new Error('a step of the collection was left out')
  }

  async #remove(
    repository: RepositoryName,
    options: {
      some: readonly Digest[]
      links: Map<Digest, ManifestLinks>
      removed: RemovedManifest[]
    },
  ): Promise<void> {
    const { announce, content, requireTenure } = this.#options
    const before = options.removed.length
    await announce(repository, options.some)
    try {
      const condemnation = await content.condemn(repository, { manifests: options.some, requireTenure })
      await this.#removeCondemned(repository, { ...options, condemnation })
    } catch (error) {
      if (!isBusy(error)) throw error
      this.#postponed += options.some.length - (options.removed.length - before)
    }
    await content.release(repository)
  }

  /** Looks again what keeps them, now that pushes know of it. A manifest goes only after all that would keep it has gone. */
  async #removeCondemned(
    repository: RepositoryName,
    {
      some,
      links,
      removed,
      condemnation,
    }: {
      some: readonly Digest[]
      links: Map<Digest, ManifestLinks>
      removed: RemovedManifest[]
      condemnation: Condemnation
    },
  ): Promise<void> {
    const { content, youngSince, pace, signal } = this.#options
    const found = await content.contentOf(repository)
    if ((await this.#read(found, links)) === undefined) return
    const untagged = findUntagged(found, { links, youngSince })
    const condemned = new Set(some)
    const manifests = new Map(found.manifests.map((manifest) => [manifest.digest, manifest]))
    const standing = new Set(manifests.keys())
    const isFree = (digest: Digest) => condemned.has(digest) && isUnkept(digest, { untagged, standing })
    for (const level of untagged.levels) {
      const doomed = level
        .filter(isFree)
        .map((digest) => doomedOf(manifests.get(digest) as RepositoryManifest, links))
      for (let start = 0; start < doomed.length; start += REMOVED) {
        signal?.throwIfAborted()
        const part = doomed.slice(start, start + REMOVED)
        await pace.take(part.length)
        for (const { manifest } of await condemnation.remove(part)) {
          standing.delete(manifest.digest)
          removed.push({ repository, digest: manifest.digest })
        }
      }
    }
  }

  /** Reads the manifests that are not known yet. Undefined if one can't be read. */
  async #read(
    { repository, manifests, restorable = new Map() }: RepositoryContent,
    links: Map<Digest, ManifestLinks>,
  ): Promise<Map<Digest, ManifestLinks> | undefined> {
    const { content, pace, signal } = this.#options
    const has = new Set(manifests.map(({ digest }) => digest))
    const unread = [...has, ...restorable.keys()].filter((digest) => !links.has(digest))
    const work = async (digest: Digest) => ({
      digest,
      found: await pace.during(() => content.references(repository, digest)),
    })
    let isWhole = true
    for await (const { digest, found } of mapInOrder(unread, { concurrency: READ_CONCURRENCY, work })) {
      signal?.throwIfAborted()
      if (!('unreadable' in found)) links.set(digest, linksOf(found, has))
      // What is not in the repository any more keeps nothing, if its bytes are gone.
      else if (has.has(digest)) isWhole = false
      else links.set(digest, { children: [], subject: undefined })
    }
    return isWhole ? links : undefined
  }
}

/** Of what a manifest refers to, the manifests that are there. Those that come later are young. */
function linksOf(
  { digests, subject }: Exclude<ManifestReferences, { unreadable: string }>,
  has: ReadonlySet<Digest>,
): ManifestLinks {
  return { children: digests.filter((digest) => has.has(digest)), subject }
}

/** Others delete in the repository, or it took too long: its manifests stay until the next time. */
function isBusy(error: unknown): boolean {
  if (error instanceof RegistryError) return error.code === 'UNAVAILABLE'
  return error instanceof StorageError && error.code === 'FENCE_CLOSED'
}

function isUnkept(
  digest: Digest,
  { untagged, standing }: { untagged: Untagged; standing: ReadonlySet<Digest> },
): boolean {
  return untagged.keepersOf(digest).every((keeper) => !standing.has(keeper))
}

function doomedOf(manifest: RepositoryManifest, links: ReadonlyMap<Digest, ManifestLinks>): DoomedManifest {
  return { manifest, subject: links.get(manifest.digest)?.subject }
}
