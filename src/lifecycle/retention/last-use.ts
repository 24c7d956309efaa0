import type { Digest } from '../../core/digest.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { Repository, TagEntry } from '../../core/registry.ts'
import { readManifest } from './manifest-content.ts'
import type { RepositoryRule } from './rules.ts'

/** When a tag was used last, as far as that is known. Undefined if no pulls are recorded: then nobody can say. */
export type LastUse = (entry: TagEntry) => Date | undefined

/** Finds when each tag was pulled last that a rule asks that of: by any name of its manifest, or by a child of its index. A tag that was never pulled
 *  counts from its push, and every one from the time since when pulls are recorded. */
export async function findLastUse(
  entries: readonly TagEntry[],
  {
    repository,
    rules,
    pulls,
  }: { repository: Repository; rules: readonly RepositoryRule[]; pulls: RecordedPulls | undefined },
): Promise<LastUse> {
  const asking = rules.filter(({ rule }) => rule.keep?.pulledwithin !== undefined)
  const since = asking.length > 0 ? await pulls?.recordedSince() : undefined
  if (pulls === undefined || since === undefined) return () => undefined
  const pulledAt = await timesOf(repository, pulls)
  const usedAt = new Map<TagEntry, Date>()
  for (const entry of entries) {
    const isAsked = asking.some(({ patterns }) => patterns.some(({ matches }) => matches(entry.tag)))
    if (!isAsked) continue
    const digests = [entry.digest, ...(await childrenOf(repository, entry.digest))]
    const times = [...digests, entry.tag].map((name) => pulledAt.get(name) ?? 0)
    usedAt.set(entry, new Date(Math.max(entry.setAt.getTime(), since.getTime(), ...times)))
  }
  return (entry) => usedAt.get(entry)
}

/** By digest and by tag: a tag may stand for a digest by another algorithm. */
async function timesOf({ name }: Repository, pulls: RecordedPulls): Promise<Map<string, number>> {
  const times = new Map<string, number>()
  const note = (key: string, time: Date) => times.set(key, Math.max(times.get(key) ?? 0, time.getTime()))
  for (const { digest, lastPulledAt, tags } of await pulls.of(name)) {
    note(digest, lastPulledAt)
    for (const one of tags) note(one.tag, one.lastPulledAt)
  }
  return times
}

/** The children of an index, also those that are indexes themselves; none for an image, and of what can't be read. */
async function childrenOf(
  repository: Repository,
  digest: Digest,
  found = new Set<Digest>(),
): Promise<Set<Digest>> {
  const { references = [] } = (await readManifest(repository, digest)) ?? {}
  for (const { kind, descriptor } of references) {
    if (kind !== 'manifest' || found.has(descriptor.digest)) continue
    found.add(descriptor.digest)
    await childrenOf(repository, descriptor.digest, found)
  }
  return found
}
