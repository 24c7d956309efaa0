import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { ManifestReference } from '../../core/manifest/manifest.ts'
import type { Registry, Repository } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { Verdict } from './decide.ts'
import { readManifest } from './manifest-content.ts'

/** What becomes of the tags of a repository. */
export interface RepositoryPlan {
  readonly repository: Repository
  readonly verdicts: readonly Verdict[]
}

/** Whose content something is: that of one tag that goes, of several of them, or also of a tag that stays. */
type Holder = Verdict | 'several' | 'kept'

/** A manifest that tags name. */
interface Root {
  readonly repository: Repository
  readonly digest: Digest
  holder: Holder
}

interface Held {
  readonly bytes: number
  holder: Holder
}

const READ_CONCURRENCY = 16

/** The bytes that nothing has once the tags of a plan are gone: content that no tag names that stays, in whatever repository. Sizes are
 *  those that the manifests state. It needs memory for the tags, and for the content of those that go. */
export class RemovalSizes {
  readonly #registry: Registry
  readonly #signal: AbortSignal | undefined
  readonly #roots = new Map<Digest, Root>()
  readonly #held = new Map<Digest, Held>()
  readonly #bytes = new Map<Verdict, number>()
  /** All of it; what several tags share counts once. */
  total = 0
  /** Manifests that are gone or damaged: nobody knows what they refer to. */
  unreadable = 0

  private constructor(registry: Registry, signal: AbortSignal | undefined) {
    this.#registry = registry
    this.#signal = signal
  }

  /** Reads every manifest that a tag names, unless no tag goes.
   *  @throws RegistryError, StorageError if storage can't be read */
  static async measure(
    plans: readonly RepositoryPlan[],
    { registry, signal }: { registry: Registry; signal?: AbortSignal | undefined },
  ): Promise<RemovalSizes> {
    const sizes = new RemovalSizes(registry, signal)
    if (plans.some(({ verdicts }) => verdicts.some(({ action }) => action === 'remove')))
      await sizes.#measure(plans)
    return sizes
  }

  /** The bytes that only this tag has. */
  of(verdict: Verdict): number {
    return this.#bytes.get(verdict) ?? 0
  }

  async #measure(plans: readonly RepositoryPlan[]): Promise<void> {
    for (const { repository, verdicts } of plans)
      for (const verdict of verdicts)
        this.#addRoot(repository, verdict.entry.digest, verdict.action === 'remove' ? verdict : 'kept')
    await this.#addOthers(new Set(plans.map(({ repository }) => repository.name)))
    await this.#walk((holder) => holder !== 'kept')
    await this.#walk((holder) => holder === 'kept')
    for (const { holder, bytes } of this.#held.values()) {
      if (holder === 'kept') continue
      this.total += bytes
      if (holder !== 'several') this.#bytes.set(holder, this.of(holder) + bytes)
    }
  }

  /** Tags of repositories that no rule is for stay. */
  async #addOthers(planned: ReadonlySet<string>): Promise<void> {
    for await (const name of this.#registry.repositories()) {
      if (planned.has(name)) continue
      this.#signal?.throwIfAborted()
      const repository = this.#registry.repository(name)
      for await (const { digest } of repository.tags.entries()) this.#addRoot(repository, digest, 'kept')
    }
  }

  #addRoot(repository: Repository, digest: Digest, holder: Holder): void {
    const known = this.#roots.get(digest)
    if (known === undefined) this.#roots.set(digest, { repository, digest, holder })
    else known.holder = joined(known.holder, holder)
  }

  async #walk(isWanted: (holder: Holder) => boolean): Promise<void> {
    const roots = [...this.#roots.values()].filter(({ holder }) => isWanted(holder))
    const work = async (root: Root) => ({ root, content: await this.#contentOf(root) })
    for await (const { root, content } of mapInOrder(roots, { concurrency: READ_CONCURRENCY, work })) {
      this.#signal?.throwIfAborted()
      if (content.size === 0) this.unreadable++
      for (const [digest, bytes] of content) this.#hold(digest, bytes, root.holder)
    }
  }

  /** What only tags have that stay is of no interest. */
  #hold(digest: Digest, bytes: number, holder: Holder): void {
    const known = this.#held.get(digest)
    if (known !== undefined) known.holder = joined(known.holder, holder)
    else if (holder !== 'kept') this.#held.set(digest, { bytes, holder })
  }

  /** A manifest and all that it refers to, with the sizes. Empty if it is not there; indexes need not have all their children. */
  async #contentOf(
    { repository, digest }: Pick<Root, 'repository' | 'digest'>,
    found = new Map<Digest, number>(),
  ): Promise<Map<Digest, number>> {
    const manifest = await readManifest(repository, digest)
    if (manifest === undefined) return found
    found.set(digest, manifest.bytes)
    if (manifest.references === undefined) this.unreadable++
    for (const reference of manifest.references ?? []) {
      const { kind, descriptor } = reference
      if (found.has(descriptor.digest)) continue
      if (kind !== 'blob') await this.#contentOf({ repository, digest: descriptor.digest }, found)
      if (kind !== 'manifest' && !found.has(descriptor.digest))
        found.set(descriptor.digest, await sizeOf(repository, reference))
    }
    return found
  }
}

function joined(one: Holder, other: Holder): Holder {
  if (one === other) return one
  return one === 'kept' || other === 'kept' ? 'kept' : 'several'
}

/** Schema 1 states no sizes. What the repository does not have takes up nothing. */
async function sizeOf({ blobs }: Repository, { descriptor, required }: ManifestReference): Promise<number> {
  if (descriptor.size > 0 && required) return descriptor.size
  try {
    return (await blobs.stat(descriptor.digest)).size
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return 0
    throw error
  }
}
