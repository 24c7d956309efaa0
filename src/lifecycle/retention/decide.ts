import type { Tag } from '../../core/reference.ts'
import type { TagEntry } from '../../core/registry.ts'
import type { LastUse } from './last-use.ts'
import type { RepositoryRule } from './rules.ts'

/** What becomes of a tag, and why. */
export interface Verdict {
  readonly entry: TagEntry
  readonly action: 'keep' | 'remove'
  /** The place of the rule that decides, from 0. Undefined if none does. */
  readonly rule: number | undefined
  readonly reason: string
  /** Of a tag that goes: the bytes that no other tag has. Undefined if that was not asked for. */
  readonly bytes?: number | undefined
}

interface DecideOptions {
  /** By the storage's clock. */
  readonly now: Date
  /** Why a tag may not be removed, whatever the rules say; undefined if it may. */
  readonly protectedBy: (tag: Tag) => string | undefined
  readonly lastUse: LastUse
}

/** What may be missing in the record of pulls: a day in which nothing was recorded, the last interval, and an hour of a clock. */
const UNKNOWN_MS = 26 * 3_600_000

type Reason = Pick<Verdict, 'rule' | 'reason'>

/** Decides about the tags of a repository. Keep beats delete, and a tag that no rule deletes is kept. */
export function decide(
  entries: readonly TagEntry[],
  rules: readonly RepositoryRule[],
  { now, protectedBy, lastUse }: DecideOptions,
): Verdict[] {
  const kept = new Map<TagEntry, Reason>()
  const deleted = new Map<TagEntry, Reason>()
  for (const rule of rules) {
    for (const { glob, matches } of rule.patterns) {
      const matching = entries.filter(({ tag }) => matches(tag))
      addKept(kept, matching, { rule, glob, now, lastUse })
      addDeleted(deleted, matching, { rule, now })
    }
  }
  return entries.map((entry): Verdict => {
    const removal = deleted.get(entry)
    const keeping = kept.get(entry)
    if (keeping !== undefined) return { entry, action: 'keep', ...keeping }
    if (removal === undefined) return { entry, action: 'keep', rule: undefined, reason: 'no rule deletes it' }
    const protection = protectedBy(entry.tag)
    if (protection !== undefined) return { entry, action: 'keep', rule: undefined, reason: protection }
    return { entry, action: 'remove', ...removal }
  })
}

function addKept(
  kept: Map<TagEntry, Reason>,
  matching: readonly TagEntry[],
  { rule, glob, now, lastUse }: { rule: RepositoryRule; glob: string; now: Date; lastUse: LastUse },
): void {
  const { keep } = rule.rule
  if (keep === undefined) return
  const { always, newest, youngerthan, pulledwithin } = keep
  const add = (entry: TagEntry, reason: string) => {
    if (!kept.has(entry)) kept.set(entry, { rule: rule.index, reason })
  }
  if (newest !== undefined) {
    for (const entry of newestOf(matching, newest)) add(entry, `one of the newest ${newest} of ${glob}`)
  }
  for (const entry of matching) {
    if (always) add(entry, `${glob} is kept`)
    if (youngerthan !== undefined && ageOf(entry, now) < youngerthan)
      add(entry, `younger than ${textOf(youngerthan)}`)
    if (pulledwithin !== undefined) {
      const usedAt = lastUse(entry)
      if (usedAt === undefined) add(entry, 'nobody knows when it was pulled')
      else if (now.getTime() - usedAt.getTime() < pulledwithin + UNKNOWN_MS)
        add(entry, `used within ${textOf(pulledwithin)}`)
    }
  }
}

function addDeleted(
  deleted: Map<TagEntry, Reason>,
  matching: readonly TagEntry[],
  { rule, now }: { rule: RepositoryRule; now: Date },
): void {
  const { olderthan } = rule.rule.delete ?? {}
  if (olderthan === undefined) return
  for (const entry of matching) {
    if (deleted.has(entry) || ageOf(entry, now) < olderthan) continue
    deleted.set(entry, {
      rule: rule.index,
      reason: olderthan === 0 ? 'nothing keeps it' : `older than ${textOf(olderthan)}`,
    })
  }
}

/** Those that were set at the same time as the last one of them are kept too: their order is not known. */
function newestOf(entries: readonly TagEntry[], count: number): readonly TagEntry[] {
  const sorted = [...entries].sort((a, b) => b.setAt.getTime() - a.setAt.getTime())
  const last = sorted[count - 1]
  return last === undefined ? sorted : sorted.filter(({ setAt }) => setAt >= last.setAt)
}

function ageOf({ setAt }: TagEntry, now: Date): number {
  return now.getTime() - setAt.getTime()
}

const HOUR_MS = 3_600_000

function textOf(milliseconds: number): string {
  const hours = milliseconds / HOUR_MS
  return Number.isInteger(hours) ? `${hours}h` : `${milliseconds / 1000}s`
}
