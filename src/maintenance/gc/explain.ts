import type { Collectable } from '../../core/collection/collectable.ts'
import type { RepositoryContent } from '../../core/collection/removable.ts'
import type { Digest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'

export interface ExplainOptions {
  readonly content: Collectable
  /** Minimum age of what is collected, in milliseconds. */
  readonly graceMs: number
  /** Whether untagged manifests are removed. */
  readonly untagged: boolean
}

/** The content that is asked about. */
export interface ExplainTarget {
  /** Canonical. */
  readonly digest: Digest
  /** Undefined for all. */
  readonly repository?: RepositoryName | undefined
}

/** What a collection does with content, and why. */
export type Explanation =
  /** The shortest way to it: a tag or manifest that is kept, then what each refers to. */
  | { readonly kind: 'kept'; readonly way: readonly string[] }
  /** Nothing keeps it but its age: a collection that begins from then on removes it. */
  | { readonly kind: 'unkept'; readonly from: Date; readonly bytes: number }
  | { readonly kind: 'absent' }

const READ_CONCURRENCY = 16

/** A tag and its manifest. */
const SHORTEST = 2

const NEVER = new Date(0)

/** Finds the shortest way from what is kept to some content.
 *  @throws StorageError */
export async function explain(options: ExplainOptions, target: ExplainTarget): Promise<Explanation> {
  const { content } = options
  let shortest: readonly string[] | undefined
  let linkedAt = NEVER
  for await (const found of contentsOf(content, target.repository)) {
    const way = await findWay(options, { found, digest: target.digest })
    if (way !== undefined && (shortest === undefined || way.length < shortest.length)) shortest = way
    const manifest = found.manifests.find(({ digest }) => digest === target.digest)
    if (manifest !== undefined && manifest.linkedAt > linkedAt) linkedAt = manifest.linkedAt
    if (shortest?.length === SHORTEST) break
  }
  if (shortest !== undefined) return { kind: 'kept', way: shortest }
  return explainUnkept(options, { ...target, linkedAt })
}

async function* contentsOf(
  content: Collectable,
  repository: RepositoryName | undefined,
): AsyncIterable<RepositoryContent> {
  if (repository === undefined) yield* content.repositories()
  else yield await content.contentOf(repository)
}

/** Breadth first, from tags before manifests without one. */
async function findWay(
  { content, untagged, graceMs }: ExplainOptions,
  { found, digest }: { found: RepositoryContent; digest: Digest },
): Promise<string[] | undefined> {
  const { repository, manifests, tags, restorable = new Map<Digest, Date>() } = found
  const has = new Set(manifests.map((one) => one.digest))
  const youngSince = Date.now() - graceMs
  const ways = new Map<Digest, string[]>()
  for (const [tag, tagged] of tags)
    if (has.has(tagged) && !ways.has(tagged)) ways.set(tagged, [`${repository}:${tag}`, tagged])
  for (const one of manifests) {
    const isRoot = !untagged || one.linkedAt.getTime() >= youngSince
    if (isRoot && !ways.has(one.digest)) ways.set(one.digest, [`${repository}, without a tag`, one.digest])
  }
  for (const [restored, until] of restorable) {
    const root = `${repository}, deleted, can be restored until ${until.toISOString()}`
    if (!ways.has(restored)) ways.set(restored, [root, restored])
  }
  const direct = ways.get(digest)
  if (direct !== undefined) return direct
  const kept = await readKept(content, found)
  for (let level = [...ways.keys()]; level.length > 0; ) {
    const next: Digest[] = []
    for (const from of level) {
      for (const to of kept.get(from) ?? []) {
        if (ways.has(to)) continue
        ways.set(to, [...(ways.get(from) as string[]), to])
        next.push(to)
      }
    }
    const way = ways.get(digest)
    if (way !== undefined) return way
    level = next
  }
  return undefined
}

/** What each manifest of a repository keeps: what it refers to, and its referrers. One that can't be read keeps all blobs. */
async function readKept(
  content: Collectable,
  { repository, manifests, restorable = new Map<Digest, Date>() }: RepositoryContent,
): Promise<Map<Digest, Digest[]>> {
  const names = new Map(manifests.flatMap(({ digest, aliases }) => aliases.map((name) => [name, digest])))
  const kept = new Map<Digest, Digest[]>()
  const all = new Set([...manifests.map(({ digest }) => digest), ...restorable.keys()])
  const work = async (digest: Digest) => ({
    digest,
    references: await content.references(repository, digest),
  })
  const keep = (from: Digest, to: readonly Digest[]) => kept.set(from, [...(kept.get(from) ?? []), ...to])
  for await (const { digest, references } of mapInOrder(all, {
    concurrency: READ_CONCURRENCY,
    work,
  })) {
    if ('unreadable' in references) {
      for await (const blob of content.blobsOf(repository)) keep(digest, [blob])
      continue
    }
    const { digests, subject } = references
    keep(digest, digests)
    if (subject !== undefined) keep(names.get(subject) ?? subject, [digest])
  }
  return kept
}

/** Asks how young it is: its bytes and the last link to it. Signatures are kept with their manifests. */
async function explainUnkept(
  { content, graceMs }: ExplainOptions,
  { digest, repository, linkedAt }: ExplainTarget & { linkedAt: Date },
): Promise<Explanation> {
  const info = await content.storage.stat(content.pathOf(digest)).catch((error) => {
    if (isPathNotFound(error)) return undefined
    throw error
  })
  if (info?.kind !== 'file') return { kind: 'absent' }
  let last = linkedAt
  for await (const page of content.holdings()) {
    for (const holding of page) {
      if (holding.digest !== digest) continue
      if (repository !== undefined && holding.repository !== repository) continue
      if (holding.kind === 'signature')
        return { kind: 'kept', way: [`${holding.repository} (signature of a manifest)`, digest] }
      if (holding.kind === 'blob' && holding.linkedAt > last) last = holding.linkedAt
    }
  }
  if (repository !== undefined && last === NEVER) return { kind: 'absent' }
  if (info.modifiedAt > last) last = info.modifiedAt
  return { kind: 'unkept', from: new Date(last.getTime() + graceMs), bytes: info.size }
}
