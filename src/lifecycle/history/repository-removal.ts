import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { Tag } from '../../core/reference.ts'
import type { Repository, TagEntry } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { DeletedLink, DeletedManifest } from './records.ts'

/** All that a repository has. */
export interface RepositoryInventory {
  readonly tags: readonly TagEntry[]
  readonly manifests: readonly DeletedManifest[]
  readonly links: readonly DeletedLink[]
}

const CONCURRENCY = 8

/** Removes from a repository what an inventory lists. What is pushed meanwhile stays: a tag that was set again, and the blobs of
 *  manifests that are there afterwards.
 *  @param relink gives the repository a blob again */
export async function removeContent(
  repository: Repository,
  { tags, manifests, links }: RepositoryInventory,
  relink: (link: DeletedLink) => Promise<void>,
): Promise<void> {
  await each(tags, (entry) =>
    ignoring('MANIFEST_UNKNOWN', repository.tags.untag(entry.tag, { unchangedSince: entry })),
  )
  await each(manifests, ({ digest }) => ignoring('MANIFEST_UNKNOWN', repository.manifests.delete(digest)))
  const removed = new Set<DeletedLink>(links)
  // One after the other: a link by another algorithm goes with the canonical one.
  for (const [name] of removed) await ignoring('BLOB_UNKNOWN', repository.blobs.delete(name))
  await keepNeeded(repository, links, relink)
}

/** A push may have relied on a blob whose link was removed then. */
async function keepNeeded(
  repository: Repository,
  links: readonly DeletedLink[],
  relink: (link: DeletedLink) => Promise<void>,
): Promise<void> {
  const needed = new Set<Digest>()
  for await (const digest of repository.manifests.all()) {
    const { payload } = await repository.manifests.get(digest)
    for (const { descriptor } of parseManifest(payload).references()) needed.add(descriptor.digest)
  }
  for (const link of links) if (needed.has(link[0])) await ignoring('BLOB_UNKNOWN', relink(link))
}

async function each<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for await (const _ of mapInOrder(items, { concurrency: CONCURRENCY, work })) {
    // Only the order of the work is bounded.
  }
}

async function ignoring(code: RegistryError['code'], work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== code) throw error
  }
}

/** The tags of an inventory, as a deletion records them. */
export function taggedDigests({ tags }: RepositoryInventory): { tag: Tag; digest: Digest }[] {
  return tags.map(({ tag, digest }) => ({ tag, digest }))
}
