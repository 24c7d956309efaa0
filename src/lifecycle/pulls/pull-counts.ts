import type { Digest } from '../../core/digest.ts'
import type { ManifestPulls, PullFigures } from '../../core/lifecycle/pulls.ts'
import type { Tag } from '../../core/reference.ts'

const HOUR_MS = 3_600_000

/** The hour of the last pull, counted from 1970, and the number of pulls. */
type Count = [hour: number, pulls: number]

/** By the digest, and behind a space the tag that it was asked for by, if it was one. */
export type RepositoryCounts = Map<string, Count>

/** Pulls by repository. Two of them are merged by the later hour and the sum, in whatever order. */
export class PullCounts {
  readonly repositories = new Map<string, RepositoryCounts>()
  /** Of all repositories. */
  size = 0

  /** Called for each pull: changes what is there in place. */
  add(repository: string, key: string, [hour, pulls]: Readonly<Count>): void {
    const counts: RepositoryCounts = this.repositories.get(repository) ?? new Map()
    const count = counts.get(key)
    if (count !== undefined) {
      if (hour > count[0]) count[0] = hour
      count[1] += pulls
      return
    }
    if (counts.size === 0) this.repositories.set(repository, counts)
    counts.set(key, [hour, pulls])
    this.size++
  }

  merge(other: PullCounts): void {
    for (const [repository, counts] of other.repositories) this.mergeRepository(repository, counts)
  }

  mergeRepository(repository: string, counts: RepositoryCounts): void {
    for (const [key, count] of counts) this.add(repository, key, count)
  }

  toJSON(): object {
    return Object.fromEntries(
      [...this.repositories].map(([repository, counts]) => [repository, Object.fromEntries(counts)]),
    )
  }

  /** Whatever is malformed is left out. */
  static parse(found: unknown): PullCounts {
    const parsed = new PullCounts()
    for (const [repository, counts] of Object.entries(Object(found))) {
      for (const [key, count] of Object.entries(Object(counts))) {
        if (Array.isArray(count) && count.every(Number.isSafeInteger) && count.length === 2)
          parsed.add(repository, key, [count[0] as number, count[1] as number])
      }
    }
    return parsed
  }
}

export function keyOf(digest: Digest, tag: Tag | undefined): string {
  return tag === undefined ? digest : `${digest} ${tag}`
}

export function hourOf(time: number): number {
  return Math.floor(time / HOUR_MS)
}

/** What the counts of a repository say, in order of the digests. */
export function manifestPulls(counts: RepositoryCounts): ManifestPulls[] {
  const byDigest = new Map<Digest, { all: PullFigures; tags: (PullFigures & { tag: Tag })[] }>()
  for (const [key, [hour, pulls]] of [...counts].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const [digest, tag] = key.split(' ') as [Digest, Tag | undefined]
    const figures = { lastPulledAt: new Date(hour * HOUR_MS), pulls }
    const found = byDigest.get(digest)
    const tags = [...(found?.tags ?? []), ...(tag === undefined ? [] : [{ tag, ...figures }])]
    byDigest.set(digest, { all: found === undefined ? figures : sumOf(found.all, figures), tags })
  }
  return [...byDigest].map(([digest, { all, tags }]) => ({ digest, ...all, tags }))
}

function sumOf(one: PullFigures, other: PullFigures): PullFigures {
  const lastPulledAt = one.lastPulledAt > other.lastPulledAt ? one.lastPulledAt : other.lastPulledAt
  return { lastPulledAt, pulls: one.pulls + other.pulls }
}
