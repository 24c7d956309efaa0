import type { RepositoryContent } from '../../core/collection/removable.ts'
import type { Digest } from '../../core/digest.ts'

/** What a manifest of a repository says of others there. */
export interface ManifestLinks {
  /** Canonical. */
  readonly children: readonly Digest[]
  /** As the manifest names it. */
  readonly subject: Digest | undefined
}

export interface Untagged {
  /** The manifests that nothing keeps. Each stands behind all that would keep it: those of one level have nothing to do with each other. */
  readonly levels: readonly (readonly Digest[])[]
  /** What would keep a manifest if it was kept itself: the indexes that list it, and its subject. */
  readonly keepersOf: (manifest: Digest) => readonly Digest[]
}

/** Finds the manifests that no tag keeps, no kept index, and no kept subject, that can't be restored, and that are not young. What
 *  can be restored keeps like what is there.
 *
 *  A subject keeps its referrers, and an index its children; never the other way round. So a signature goes with its image.
 *  @param youngSince manifests that were pushed from then on are kept */
export function findUntagged(
  { manifests, tags, restorable = new Map() }: RepositoryContent,
  { links, youngSince }: { links: ReadonlyMap<Digest, ManifestLinks>; youngSince: Date },
): Untagged {
  const names = new Map(manifests.flatMap(({ digest, aliases }) => aliases.map((name) => [name, digest])))
  const keeps = new Map<Digest, Digest[]>()
  const all = new Set<Digest>([...manifests.map(({ digest }) => digest), ...restorable.keys()])
  const keepers = new Map<Digest, Digest[]>([...all].map((digest) => [digest, []]))
  const relate = (keeper: Digest, kept: Digest) => {
    if (!keepers.has(keeper) || !keepers.has(kept)) return
    keepers.get(kept)?.push(keeper)
    keeps.set(keeper, [...(keeps.get(keeper) ?? []), kept])
  }
  for (const digest of all) {
    const { children, subject } = links.get(digest) ?? NO_LINKS
    for (const child of new Set(children)) relate(digest, child)
    if (subject !== undefined) relate(names.get(subject) ?? subject, digest)
  }
  const tagged = new Set(tags.values())
  const kept = new Set<Digest>()
  const reached = manifests
    .filter(({ digest, linkedAt }) => tagged.has(digest) || linkedAt >= youngSince)
    .map(({ digest }) => digest)
    .concat([...restorable.keys()])
  for (let next = reached.pop(); next !== undefined; next = reached.pop()) {
    if (kept.has(next)) continue
    kept.add(next)
    reached.push(...(keeps.get(next) ?? []))
  }
  const untagged = manifests.map(({ digest }) => digest).filter((digest) => !kept.has(digest))
  return {
    levels: levelsOf(untagged, { keeps, keepers }),
    keepersOf: (manifest) => keepers.get(manifest) ?? [],
  }
}

const NO_LINKS: ManifestLinks = { children: [], subject: undefined }

/** Whatever keeps an untagged manifest is untagged itself. */
function levelsOf(
  untagged: readonly Digest[],
  { keeps, keepers }: { keeps: ReadonlyMap<Digest, Digest[]>; keepers: ReadonlyMap<Digest, Digest[]> },
): Digest[][] {
  const left = new Map(untagged.map((digest) => [digest, keepers.get(digest)?.length ?? 0]))
  const levels: Digest[][] = []
  let level = untagged.filter((digest) => left.get(digest) === 0)
  while (level.length > 0) {
    levels.push(level)
    const next: Digest[] = []
    for (const digest of level) {
      for (const kept of keeps.get(digest) ?? []) {
        const count = (left.get(kept) ?? 0) - 1
        left.set(kept, count)
        if (count === 0) next.push(kept)
      }
    }
    level = next
  }
  return levels
}
