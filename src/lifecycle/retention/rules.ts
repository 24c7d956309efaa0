import { globMatcher } from '../../core/access/repository-glob.ts'
import type { RepositoryName } from '../../core/reference.ts'

/** One entry of `policies.retention.rules`. */
export interface RetentionRule {
  /** Globs: `*` matches within one path component, `**` any number of components. */
  readonly repositories: readonly string[]
  /** Globs. */
  readonly tags: readonly string[]
  readonly keep?:
    | {
        readonly always: boolean
        /** How many of the tags that were set last, for each of the globs `tags`. */
        readonly newest?: number | undefined
        /** Milliseconds since the tag was set. */
        readonly youngerthan?: number | undefined
        /** Milliseconds since the image was pulled last, or one of its index. */
        readonly pulledwithin?: number | undefined
      }
    | undefined
  readonly delete?:
    | {
        /** Milliseconds since the tag was set. */
        readonly olderthan: number
      }
    | undefined
}

/** A rule for the tags of one repository. */
export interface RepositoryRule {
  readonly rule: RetentionRule
  /** Its place in the configuration, from 0. */
  readonly index: number
  /** One for each of the globs `tags`. */
  readonly patterns: readonly { readonly glob: string; readonly matches: (tag: string) => boolean }[]
}

/** Finds the rules of a repository. */
export class RetentionRules {
  readonly #rules: readonly (RepositoryRule & { readonly matchesRepository: (name: string) => boolean })[]

  constructor(rules: readonly RetentionRule[]) {
    this.#rules = rules.map((rule, index) => ({
      rule,
      index,
      patterns: rule.tags.map((glob) => ({ glob, matches: globMatcher([glob]) })),
      matchesRepository: globMatcher(rule.repositories),
    }))
  }

  of(repository: RepositoryName): readonly RepositoryRule[] {
    return this.#rules.filter(({ matchesRepository }) => matchesRepository(repository))
  }
}
