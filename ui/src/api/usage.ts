/** What repositories take up, and when they were pulled; the project's docs/lifecycle.md describes it. */
import { ApiError, getJson } from './http.ts'

export interface TagUsage {
  readonly tag: string
  readonly digest: string
  readonly bytes: number
  /** Of content that no other tag of the repository has. */
  readonly ownBytes: number
}

export interface Limit {
  readonly used: number
  readonly limit: number
}

export interface Quota {
  readonly kind: 'repository' | 'organisation'
  readonly name: string
  readonly bytes: Limit | null
  readonly tags: Limit | null
}

export interface UsageSummary {
  readonly countedAt: string | null
  readonly bytes: number
  readonly ownBytes: number
  readonly manifests: number
  readonly tagCount: number
  readonly tags: readonly TagUsage[]
  readonly quotas: readonly Quota[]
  readonly next: string | null
}

export interface TagPulls {
  readonly lastPulledAt: string
  readonly pulls: number
}

const counted = new Map<string, boolean>()

/** True if the registry counts usage; asked once. */
export async function countsUsage(repository: string, signal?: AbortSignal): Promise<boolean> {
  const known = counted.get('usage')
  if (known !== undefined) return known
  try {
    await getUsage(repository, undefined, signal)
    counted.set('usage', true)
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.code === 'UNSUPPORTED') counted.set('usage', false)
    return false
  }
}

export function getUsage(repository: string, cursor?: string, signal?: AbortSignal): Promise<UsageSummary> {
  const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''
  return getJson(`v2/${repository}/_entrepot/usage/summary${query}`, signal)
}

const MAX_PAGES = 10

/** The pulls of tags, as far as they are recorded. Undefined if they are not. */
export async function listPulls(
  repository: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TagPulls> | undefined> {
  const pulls = new Map<string, TagPulls>()
  try {
    for (let page = 0, cursor: string | null = ''; cursor !== null && page < MAX_PAGES; page++) {
      const path = `v2/${repository}/_entrepot/pulls/list?n=200&cursor=${encodeURIComponent(cursor)}`
      const answer: PullsPage = await getJson<PullsPage>(path, signal)
      for (const one of answer.manifests.flatMap(({ tags }) => tags)) add(pulls, one)
      cursor = answer.next
    }
  } catch (error) {
    if (error instanceof ApiError && error.code === 'UNSUPPORTED') return undefined
    throw error
  }
  return pulls
}

interface PullsPage {
  readonly manifests: readonly { readonly tags: readonly (TagPulls & { readonly tag: string })[] }[]
  readonly next: string | null
}

/** A tag may have named several manifests. */
function add(pulls: Map<string, TagPulls>, { tag, ...one }: TagPulls & { readonly tag: string }): void {
  const before = pulls.get(tag)
  const lastPulledAt = [before?.lastPulledAt ?? '', one.lastPulledAt].sort().at(-1) ?? ''
  pulls.set(tag, { lastPulledAt, pulls: (before?.pulls ?? 0) + one.pulls })
}
