import { RegistryError } from '../../core/errors.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Registry, Repository, TagEntry } from '../../core/registry.ts'
import { type ImmutableRule, ImmutableRules, rulesForRetention } from '../immutable/rules.ts'
import { decide, type Verdict } from './decide.ts'
import { decideFollower, subjectOf } from './followers.ts'
import { findLastUse } from './last-use.ts'
import { RemovalSizes, type RepositoryPlan } from './removal-sizes.ts'
import { type RepositoryRule, type RetentionRule, RetentionRules } from './rules.ts'

export interface RetentionOptions {
  /** Tags are removed through it. Immutable tags that retention may remove must be deletable in it. */
  readonly registry: Registry
  readonly rules: readonly RetentionRule[]
  readonly immutable: readonly ImmutableRule[]
  readonly signal?: AbortSignal | undefined
  /** Default: none are recorded, and rules that ask for them keep. */
  readonly pulls?: RecordedPulls | undefined
  /** True to find out how many bytes nothing has once the tags are gone. It needs all decisions in memory, and reads the manifests of all
   *  tags. Default: false. */
  readonly measures?: boolean | undefined
  /** Called for each tag that was removed. */
  readonly onRemoved?: ((verdict: TagVerdict) => void) | undefined
}

export interface RetentionReport {
  /** Repositories that a rule is for. */
  readonly repositories: number
  readonly tags: number
  readonly kept: number
  /** Tags that were removed, or in a dry run would be. */
  readonly removed: number
  /** Tags that were set again or removed by others meanwhile; they are as those left them. */
  readonly changed: number
  /** The bytes that only tags have that were to be removed, each content once. Undefined unless it was measured. */
  readonly bytes?: number | undefined
  /** Manifests that could not be read when it was measured: what they refer to is not part of `bytes`, and might be. */
  readonly unreadable?: number | undefined
}

/** A tag of a repository, and what becomes of it. */
export interface TagVerdict extends Verdict {
  readonly repository: RepositoryName
}

/** Removes a tag. */
export interface RemovalStep {
  readonly intent: { readonly action: string } & Readonly<Record<string, unknown>>
  run(): Promise<void>
}

/** Removes the tags that the rules delete. Manifests stay: garbage collection removes what no tag keeps. */
export class Retention {
  readonly #options: RetentionOptions
  readonly #rules: RetentionRules
  readonly #immutable: ImmutableRules
  readonly #counts = { repositories: 0, tags: 0, kept: 0, removed: 0, changed: 0 }
  #sizes: RemovalSizes | undefined

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#rules = new RetentionRules(options.rules)
    this.#immutable = new ImmutableRules(rulesForRetention(options.immutable))
  }

  get report(): RetentionReport {
    const { total: bytes, unreadable } = this.#sizes ?? {}
    return { ...this.#counts, ...(this.#sizes !== undefined && { bytes, unreadable }) }
  }

  /** Decides about every tag, and yields the removals.
   *  @param onVerdict is called for each tag, before its step
   *  @throws RegistryError, StorageError if a list can't be read */
  async *steps(onVerdict: (verdict: TagVerdict) => void = () => {}): AsyncIterable<RemovalStep> {
    const plans = this.#options.measures ? await this.#measured() : this.#plans()
    for await (const { repository, verdicts } of plans) {
      for (const verdict of verdicts) {
        this.#options.signal?.throwIfAborted()
        this.#counts.tags++
        onVerdict({ ...verdict, repository: repository.name })
        if (verdict.action === 'keep') this.#counts.kept++
        else yield this.#removal(repository, verdict)
      }
    }
  }

  async *#plans(): AsyncIterable<RepositoryPlan> {
    const { registry, signal } = this.#options
    const now = await registry.storageTime()
    for await (const name of registry.repositories()) {
      const rules = this.#rules.of(name)
      if (rules.length === 0) continue
      signal?.throwIfAborted()
      this.#counts.repositories++
      const repository = registry.repository(name)
      yield { repository, verdicts: await this.#decide(repository, rules, now) }
    }
  }

  async #measured(): Promise<readonly RepositoryPlan[]> {
    const plans: RepositoryPlan[] = []
    for await (const plan of this.#plans()) plans.push(plan)
    const sizes = await RemovalSizes.measure(plans, this.#options)
    this.#sizes = sizes
    const withBytes = (verdict: Verdict): Verdict =>
      verdict.action === 'keep' ? verdict : { ...verdict, bytes: sizes.of(verdict) }
    return plans.map(({ repository, verdicts }) => ({ repository, verdicts: verdicts.map(withBytes) }))
  }

  /** In the order of the tags. */
  async #decide(
    repository: Repository,
    rules: readonly RepositoryRule[],
    now: Date,
  ): Promise<readonly Verdict[]> {
    const entries: TagEntry[] = []
    const followers: Verdict[] = []
    for await (const entry of repository.tags.entries()) {
      const subject = subjectOf(entry)
      if (subject === undefined) entries.push(entry)
      else followers.push(await decideFollower(entry, subject, { repository, rules, now }))
    }
    const immutable = this.#immutable.of(repository.name)
    const protectedBy = (tag: TagEntry['tag']) =>
      immutable?.forbiddingDelete(tag) === undefined ? undefined : 'it is immutable'
    const lastUse = await findLastUse(entries, { repository, rules, pulls: this.#options.pulls })
    const verdicts = decide(entries, rules, { now, protectedBy, lastUse })
    return [...verdicts, ...followers].sort((a, b) => (a.entry.tag < b.entry.tag ? -1 : 1))
  }

  #removal(repository: Repository, verdict: Verdict): RemovalStep {
    const { entry, rule, reason, bytes } = verdict
    const { tag, digest, setAt } = entry
    const about = { repository: repository.name, tag, digest, setAt, rule, reason, bytes }
    const intent = { action: 'remove tag', ...about }
    this.#counts.removed++
    const run = async () => {
      try {
        await repository.tags.untag(tag, { unchangedSince: entry })
        this.#options.onRemoved?.({ ...verdict, repository: repository.name })
      } catch (error) {
        this.#counts.removed--
        if (!(error instanceof RegistryError) || error.code !== 'MANIFEST_UNKNOWN') throw error
        this.#counts.changed++
      }
    }
    return { intent, run }
  }
}
