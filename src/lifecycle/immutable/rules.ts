import { globMatcher } from '../../core/access/repository-glob.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'

/** One entry of `policies.immutable`. */
export interface ImmutableRule {
  /** Globs: `*` matches within one path component, `**` any number of components. */
  readonly repositories: readonly string[]
  /** Globs. */
  readonly tags: readonly string[]
  /** True if clients may delete such a tag. */
  readonly deletable: boolean
  /** True if retention may remove such a tag. */
  readonly expirable: boolean
}

/** The rules of a repository. */
export interface TagRules {
  /** The first rule that holds for the tag. */
  ofTag(tag: Tag): ImmutableRule | undefined
  /** The first rule that forbids to delete the tag. */
  forbiddingDelete(tag: Tag): ImmutableRule | undefined
}

interface CompiledRule {
  readonly rule: ImmutableRule
  readonly matchesRepository: (name: string) => boolean
  readonly matchesTag: (tag: string) => boolean
}

/** Finds the rules of a repository. */
export class ImmutableRules {
  readonly #rules: readonly CompiledRule[]

  constructor(rules: readonly ImmutableRule[]) {
    this.#rules = rules.map((rule) => ({
      rule,
      matchesRepository: globMatcher(rule.repositories),
      matchesTag: globMatcher(rule.tags),
    }))
  }

  /** Undefined if the repository has no immutable tags. */
  of(repository: RepositoryName): TagRules | undefined {
    const rules = this.#rules.filter(({ matchesRepository }) => matchesRepository(repository))
    if (rules.length === 0) return undefined
    const find = (tag: Tag, counts: (rule: ImmutableRule) => boolean) =>
      rules.find(({ rule, matchesTag }) => counts(rule) && matchesTag(tag))?.rule
    return {
      ofTag: (tag) => find(tag, () => true),
      forbiddingDelete: (tag) => find(tag, ({ deletable }) => !deletable),
    }
  }
}

/** The same rules, in which retention is what deletes. */
export function rulesForRetention(rules: readonly ImmutableRule[]): ImmutableRule[] {
  return rules.map((rule) => ({ ...rule, deletable: rule.expirable }))
}
