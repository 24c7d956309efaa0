import type { Condemnation, DoomedManifest } from '../../core/collection/removable.ts'
import { algorithmOf, type Digest, hexOf } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { Deletions, type DeletionsTiming, type IsCondemned } from '../manifests/deletions.ts'
import { RepositoryPaths } from '../paths.ts'

/** A collector can wait. */
const TIMING: DeletionsTiming = { leaseMs: 20_000, beatMs: 3_000, patienceMs: 60_000 }

export interface ManifestRemovalParts {
  readonly storage: StorageDriver
  /** Evicts the names of a repository's manifest from every cache. */
  readonly evictManifest: (repository: RepositoryName, names: readonly Digest[]) => Promise<void>
  readonly timing?: DeletionsTiming | undefined
}

/** Nothing is condemned in the repository any more.
 *  @throws RegistryError UNAVAILABLE */
export async function releaseManifests(
  parts: ManifestRemovalParts,
  repository: RepositoryName,
): Promise<void> {
  await deletionsOf(parts, repository).release()
}

function deletionsOf(
  { storage, timing = TIMING }: ManifestRemovalParts,
  repository: RepositoryName,
): Deletions {
  return new Deletions({ storage, path: new RepositoryPaths(repository).deletions, timing })
}

/** Removes manifests from a repository while images are pushed: see docs/garbage-collection.md. */
export class ManifestRemoval implements Condemnation {
  readonly #parts: ManifestRemovalParts
  readonly #repository: RepositoryName
  readonly #paths: RepositoryPaths
  readonly #deletions: Deletions
  readonly #by: string

  private constructor(
    parts: ManifestRemovalParts,
    { repository, deletions, by }: { repository: RepositoryName; deletions: Deletions; by: string },
  ) {
    this.#parts = parts
    this.#repository = repository
    this.#paths = new RepositoryPaths(repository)
    this.#deletions = deletions
    this.#by = by
  }

  static async begin(
    parts: ManifestRemovalParts,
    {
      repository,
      manifests,
      requireTenure,
    }: { repository: RepositoryName; manifests: readonly Digest[]; requireTenure: () => Promise<void> },
  ): Promise<ManifestRemoval> {
    const deletions = deletionsOf(parts, repository)
    const by = await deletions.condemn(manifests, requireTenure)
    return new ManifestRemoval(parts, { repository, deletions, by })
  }

  async remove(doomed: readonly DoomedManifest[]): Promise<readonly DoomedManifest[]> {
    const { storage, evictManifest, timing = TIMING } = this.#parts
    const files = await Promise.all(doomed.map((one) => this.#filesOf(one)))
    // Shorter than a lease: whoever takes the place of a collector that is gone need not wait for its fence.
    const fence = await storage.openFence({ lifetimeMs: timing.leaseMs / 2 })
    let going: typeof files = []
    const removeAll = async (isCondemned: IsCondemned) => {
      going = files.filter(({ doomed: { manifest } }) => isCondemned(manifest.digest))
      // In the order of a deletion by a client: other names first, and the list of referrers last.
      for (const part of ['aliases', 'revision', 'referrer'] as const) {
        const paths = going.flatMap((one) => one[part])
        if (paths.length > 0) await storage.deleteFenced(paths, fence)
      }
    }
    try {
      await this.#deletions.duringRemoval({ by: this.#by, fence }, removeAll)
    } finally {
      for (const { doomed: one } of going)
        await evictManifest(this.#repository, [...one.manifest.aliases, one.manifest.digest])
    }
    return going.map((one) => one.doomed)
  }

  async #filesOf(doomed: DoomedManifest) {
    const { manifest, subject } = doomed
    const revision: string[] = []
    for await (const files of this.#parts.storage.scan(this.#folder(manifest.digest)))
      for (const { path } of files) revision.push(path)
    const names = [...manifest.aliases, manifest.digest]
    const referrer = subject && names.map((name) => `${this.#paths.subject(subject).referrer(name)}/link`)
    const aliases = manifest.aliases.map((name) => `${this.#folder(name)}/link`)
    return { doomed, aliases, revision, referrer: referrer ?? [] }
  }

  #folder(name: Digest): string {
    return `${this.#paths.revisions}/${algorithmOf(name)}/${hexOf(name)}`
  }
}
