import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Repository } from '../../core/registry.ts'

/** The unit of eviction: a manifest that no other one refers to, with everything below it, or a blob that no
 *  manifest refers to. */
export interface Holding {
  readonly repository: RepositoryName
  readonly root: Digest
  /** Including the root, if it is a manifest. */
  readonly manifests: readonly Digest[]
  /** Sizes of the blobs that are cached, in bytes. */
  readonly blobs: ReadonlyMap<Digest, number>
}

/** The cached content of a repository, grouped by its manifests. */
export async function holdingsOf(repository: Repository): Promise<Holding[]> {
  const linked = new Set<Digest>()
  for await (const digest of repository.blobs.all()) linked.add(digest)
  const manifests = new Map<Digest, Content>()
  for await (const digest of repository.manifests.all())
    manifests.set(digest, await contentOf(repository, digest))
  const children = new Set([...manifests.values()].flatMap((content) => content.manifests))
  const roots = [...manifests.keys()].filter((digest) => !children.has(digest))
  const holdings = roots.map((root) => holdingBelow(root, { repository, manifests, linked }))
  const named = new Set([...manifests.values()].flatMap(({ blobs }) => [...blobs.keys()]))
  for (const blob of linked) {
    if (named.has(blob)) continue
    const { size } = await repository.blobs.stat(blob).catch(() => ({ size: 0 }))
    holdings.push({ repository: repository.name, root: blob, manifests: [], blobs: new Map([[blob, size]]) })
  }
  return holdings
}

interface Content {
  readonly size: number
  readonly manifests: readonly Digest[]
  readonly blobs: ReadonlyMap<Digest, number>
}

const NOTHING: Content = { size: 0, manifests: [], blobs: new Map() }

async function contentOf(repository: Repository, digest: Digest): Promise<Content> {
  let manifest: Manifest
  try {
    manifest = parseManifest((await repository.manifests.get(digest)).payload)
  } catch (error) {
    if (error instanceof RegistryError) return NOTHING
    throw error
  }
  const references = manifest.references()
  return {
    size: manifest.payload.length,
    manifests: references.filter(({ kind }) => kind !== 'blob').map(({ descriptor }) => descriptor.digest),
    blobs: new Map(
      references
        .filter(({ kind }) => kind !== 'manifest')
        .map(({ descriptor }) => [descriptor.digest, descriptor.size]),
    ),
  }
}

function holdingBelow(root: Digest, { repository, manifests, linked }: Parts): Holding {
  const below = new Set<Digest>()
  const blobs = new Map<Digest, number>()
  const visit = (digest: Digest) => {
    const content = manifests.get(digest)
    if (content === undefined || below.has(digest)) return
    below.add(digest)
    for (const [blob, size] of content.blobs) if (linked.has(blob)) blobs.set(blob, size)
    for (const child of content.manifests) visit(child)
  }
  visit(root)
  return { repository: repository.name, root, manifests: [...below], blobs }
}

interface Parts {
  readonly repository: Repository
  readonly manifests: ReadonlyMap<Digest, Content>
  readonly linked: ReadonlySet<Digest>
}
