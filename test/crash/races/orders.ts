/** Decides whether what requests that ran at the same time have left is what they would leave one after the other. */

/** What of a repository is raced for. Content that neither changes nor is tagged may be left out. */
export interface RepositoryState {
  /** The blobs and manifests that are there, by names like `manifests/sha256:…`. */
  readonly contents: ReadonlySet<string>
  /** Which manifest each tag names. */
  readonly tags: ReadonlyMap<string, string>
}

export type Change =
  /** Pushes a blob or a manifest, under the tag if there is one. */
  | { readonly kind: 'push'; readonly content: string; readonly tag?: string | undefined }
  /** Removes a blob or a manifest, and every tag that names it. */
  | { readonly kind: 'delete'; readonly content: string }
  | { readonly kind: 'untag'; readonly tag: string }

export interface Attempt {
  readonly change: Change
  /** `refused`: there was nothing to be removed. `unknown`: no answer, or one that says neither yes nor no. */
  readonly outcome: 'done' | 'refused' | 'unknown'
  /** Moments, to be compared with those of other attempts. */
  readonly startedAt: number
  readonly endedAt: number
}

/** True when some order of the attempts explains it, in which none comes before another that had ended when it began. */
export function isExplained(
  before: RepositoryState,
  attempts: readonly Attempt[],
  after: RepositoryState,
): boolean {
  const told = attempts.map((attempt) =>
    sawTagRestored(attempt, attempts) ? { ...attempt, outcome: 'unknown' as const } : attempt,
  )
  return isOrdered(before, told, after)
}

/** A push whose manifest is deleted meanwhile tags it again: whoever removes the tag in between is told that there is none. */
function sawTagRestored(attempt: Attempt, attempts: readonly Attempt[]): boolean {
  const { change, outcome } = attempt
  if (change.kind !== 'untag' || outcome !== 'refused') return false
  const meanwhile = attempts.filter(
    ({ startedAt, endedAt }) => startedAt < attempt.endedAt && endedAt > attempt.startedAt,
  )
  return meanwhile.some(
    ({ change: push }) =>
      push.kind === 'push' &&
      push.tag === change.tag &&
      attempts.some(({ change: deleted }) => deleted.kind === 'delete' && deleted.content === push.content),
  )
}

function isOrdered(before: RepositoryState, attempts: readonly Attempt[], after: RepositoryState): boolean {
  if (attempts.length === 0) return isSame(before, after)
  return attempts.some((first) => {
    const others = attempts.filter((attempt) => attempt !== first)
    if (others.some((other) => other.outcome !== 'unknown' && other.endedAt < first.startedAt)) return false
    return outcomesOf(before, first).some((state) => isOrdered(state, others, after))
  })
}

/** The states that the attempt may have left; none where it can't have been answered so. */
function outcomesOf(state: RepositoryState, { change, outcome }: Attempt): RepositoryState[] {
  if (outcome === 'refused') return isThere(state, change) ? [] : [state]
  const done = applied(state, change)
  return outcome === 'done' ? [done] : [done, state, ...halfDone(state, change)]
}

function isThere({ contents, tags }: RepositoryState, change: Change): boolean {
  return change.kind === 'untag' ? tags.has(change.tag) : contents.has(change.content)
}

export function applied({ contents, tags }: RepositoryState, change: Change): RepositoryState {
  switch (change.kind) {
    case 'push': {
      const { content, tag } = change
      const named = tag === undefined ? tags : new Map(tags).set(tag, content)
      return { contents: new Set(contents).add(content), tags: named }
    }
    case 'delete': {
      const { content } = change
      const left = [...contents].filter((other) => other !== content)
      return { contents: new Set(left), tags: withoutTagsOf(tags, content) }
    }
    case 'untag':
      return { contents, tags: new Map([...tags].filter(([tag]) => tag !== change.tag)) }
  }
}

/** A push writes the manifest before its tag; whoever deletes removes the tags before the manifest. */
function halfDone(state: RepositoryState, change: Change): RepositoryState[] {
  if (change.kind === 'push') return [applied(state, { ...change, tag: undefined })]
  if (change.kind === 'delete') return [{ ...state, tags: withoutTagsOf(state.tags, change.content) }]
  return []
}

function withoutTagsOf(tags: ReadonlyMap<string, string>, content: string): ReadonlyMap<string, string> {
  return new Map([...tags].filter(([, named]) => named !== content))
}

function isSame(one: RepositoryState, other: RepositoryState): boolean {
  return (
    one.contents.size === other.contents.size &&
    one.tags.size === other.tags.size &&
    [...one.contents].every((content) => other.contents.has(content)) &&
    [...one.tags].every(([tag, manifest]) => other.tags.get(tag) === manifest)
  )
}
