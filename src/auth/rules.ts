import { LRUCache } from 'lru-cache'
import { ACTIONS, type Action } from '../core/access/access-controller.ts'
import { globMatcher } from '../core/access/repository-glob.ts'
import { atMost } from '../lib/at-most.ts'

/** One entry of `auth.rules`: actions of subjects on repositories. */
export interface Rule {
  /** Globs: `*` matches within one path component, `**` any number of components. */
  readonly repositories: readonly string[]
  /** Users, `group:<name>`, `authenticated` for any authenticated identity, or `anonymous`. */
  readonly who: readonly string[]
  /** Empty: no action. */
  readonly actions: readonly (Action | '*')[]
}

export interface RuleSet {
  /** Undefined without rules: authenticated identities may do everything. */
  readonly rules?: readonly Rule[] | undefined
  /** The users of each group. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  /** Who may see how the registry is, in the form of `who`. Undefined: authenticated identities, if there are no rules. */
  readonly operators?: readonly string[] | undefined
}

/** The subject of a decision; anonymous without a name. */
export interface Subject {
  readonly name: string | undefined
  readonly groups: readonly string[]
}

/** Actions as bits, so that a decision is one number. */
export type ActionBits = number

export function bitOf(action: Action): ActionBits {
  return 1 << ACTIONS.indexOf(action)
}

export function bitsOf(actions: Iterable<Action | '*'>): ActionBits {
  let bits = 0
  for (const action of actions) bits |= action === '*' ? EVERYTHING : bitOf(action)
  return bits
}

export const NOTHING: ActionBits = 0
export const EVERYTHING: ActionBits = ACTIONS.reduce((bits, action) => bits | bitOf(action), 0)

/** A decision and its reason. */
export interface Decision {
  readonly allowed: ActionBits
  /** Index of the deciding rule, from 0. Undefined if none matched. */
  readonly rule: number | undefined
}

interface CompiledRule {
  readonly matches: (repository: string) => boolean
  readonly who: ReadonlySet<string>
  readonly allowed: ActionBits
}

/** Limit of cached decisions, for pairs of a subject and a repository: some megabytes. */
const MAX_REMEMBERED = 20_000

/** Ordered rules: the first one that matches both repository and subject decides; without a match nothing is
 *  allowed. Actions of anonymous clients are allowed to all. */
export class Rules {
  readonly #rules: readonly CompiledRule[] | undefined
  readonly #operators: ReadonlySet<string>
  readonly #groupsOf: ReadonlyMap<string, readonly string[]>
  readonly #remembered = new LRUCache<string, ActionBits>(atMost(MAX_REMEMBERED))

  constructor({ rules, groups, operators }: RuleSet) {
    this.#operators = new Set(operators ?? (rules === undefined ? ['authenticated'] : []))
    this.#rules = rules?.map(compile)
    this.#groupsOf = membership(groups)
  }

  /** The actions that the subject may do in the repository. Cached, so the number of rules does not matter.
   *  @param key identifies the subject uniquely */
  allowed(subject: Subject, { key, repository }: { key: string; repository: string }): ActionBits {
    const pair = `${key}\n${repository}`
    const known = this.#remembered.get(pair)
    if (known !== undefined) return known
    const allowed = this.decide(subject, repository).allowed | this.decide(ANYBODY, repository).allowed
    this.#remembered.set(pair, allowed)
    return allowed
  }

  /** The decision of the first matching rule, without the actions of anonymous clients. */
  decide(subject: Subject, repository: string): Decision {
    if (this.#rules === undefined) {
      return { allowed: subject.name === undefined ? NOTHING : EVERYTHING, rule: undefined }
    }
    const names = this.#namesOf(subject)
    const rule = this.#rules.findIndex(
      ({ who, matches }) => names.some((name) => who.has(name)) && matches(repository),
    )
    return rule === -1 ? { allowed: NOTHING, rule: undefined } : { allowed: this.#rules[rule]!.allowed, rule }
  }

  /** True if some rule lets anonymous clients pull. */
  get anonymousMayPull(): boolean {
    return this.#rules?.some(({ who, allowed }) => who.has('anonymous') && allowed & bitOf('pull')) ?? false
  }

  /** True if the subject may see how the registry is. */
  isOperator(subject: Subject): boolean {
    return this.#namesOf(subject).some((name) => this.#operators.has(name))
  }

  /** The entries of `who` that match the subject. A user whose name looks like a group or a keyword never
   *  matches those. */
  #namesOf({ name, groups }: Subject): readonly string[] {
    if (name === undefined) return ['anonymous']
    const all = [...groups, ...(this.#groupsOf.get(name) ?? [])].map((group) => `${GROUP_PREFIX}${group}`)
    return isPlainName(name) ? [name, ...all, 'authenticated'] : [...all, 'authenticated']
  }
}

export const ANYBODY: Subject = { name: undefined, groups: [] }

export const GROUP_PREFIX = 'group:'
export const KEYWORDS: readonly string[] = ['anonymous', 'authenticated']

function isPlainName(name: string): boolean {
  return !name.startsWith(GROUP_PREFIX) && !KEYWORDS.includes(name)
}

/** Matches repositories against globs. */
export { globMatcher as repositoryMatcher }

function compile({ repositories, who, actions }: Rule): CompiledRule {
  return { matches: globMatcher(repositories), who: new Set(who), allowed: bitsOf(actions) }
}

function membership(groups: RuleSet['groups']): Map<string, string[]> {
  const groupsOf = new Map<string, string[]>()
  for (const [group, users] of Object.entries(groups)) {
    for (const user of users) {
      const others = groupsOf.get(user)
      if (others === undefined) groupsOf.set(user, [group])
      else others.push(group)
    }
  }
  return groupsOf
}
