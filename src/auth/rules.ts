import { LRUCache } from 'lru-cache'
import picomatch from 'picomatch'
import { ACTIONS, type Action } from '../core/access/access-controller.ts'

/** One line of `auth.rules`: what whoever it names may do to the repositories it names. */
export interface Rule {
  /** Globs: `*` is one part of a name, `**` any number of them. */
  readonly repositories: readonly string[]
  /** Users, `group:<name>`, `authenticated` for whoever has a name, `anonymous` for whoever has none. */
  readonly who: readonly string[]
  /** Empty: nothing at all. */
  readonly actions: readonly (Action | '*')[]
}

export interface RuleSet {
  /** Undefined where there are no rules: whoever has a name may do everything. */
  readonly rules?: readonly Rule[] | undefined
  /** Groups by name, with the users in them. */
  readonly groups: Readonly<Record<string, readonly string[]>>
}

/** Whom the rules are asked about; without a name it is nobody in particular. */
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

/** Why something is allowed or not. */
export interface Decision {
  readonly allowed: ActionBits
  /** Which rule decided, counted from 0; undefined where none matched. */
  readonly rule: number | undefined
}

interface CompiledRule {
  readonly matches: (repository: string) => boolean
  readonly who: ReadonlySet<string>
  readonly allowed: ActionBits
}

/** The decisions of 20,000 pairs of somebody and a repository: some megabytes. */
const MAX_REMEMBERED = 20_000

/** Ordered rules: the first that names both the repository and whoever asks decides, and where none does nothing is
 *  allowed. Nobody loses by having a name: what anonymous may do, everybody may. */
export class Rules {
  readonly #rules: readonly CompiledRule[] | undefined
  readonly #groupsOf: ReadonlyMap<string, readonly string[]>
  readonly #remembered = new LRUCache<string, ActionBits>({ max: MAX_REMEMBERED })

  constructor({ rules, groups }: RuleSet) {
    this.#rules = rules?.map(compile)
    this.#groupsOf = membership(groups)
  }

  /** What the subject may do to the repository. The same look-up however many rules there are.
   *  @param key says who the subject is, and no two have the same */
  allowed(subject: Subject, { key, repository }: { key: string; repository: string }): ActionBits {
    const pair = `${key}\n${repository}`
    const known = this.#remembered.get(pair)
    if (known !== undefined) return known
    const allowed = this.decide(subject, repository).allowed | this.decide(ANYBODY, repository).allowed
    this.#remembered.set(pair, allowed)
    return allowed
  }

  /** The first rule's word on the subject alone, without what everybody may. */
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

  /** True when some rule gives anonymous something to pull. */
  get anonymousMayPull(): boolean {
    return this.#rules?.some(({ who, allowed }) => who.has('anonymous') && allowed & bitOf('pull')) ?? false
  }

  /** What a rule's `who` may call the subject by. A name that looks like a group or a keyword is never taken for one. */
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

/** True for the name of any repository that one of the globs means. */
export function repositoryMatcher(globs: readonly string[]): (repository: string) => boolean {
  // Not negated by a leading `!`, and `a/**` is what is below `a`, not `a`.
  return picomatch([...globs], { nonegate: true, strictSlashes: true })
}

function compile({ repositories, who, actions }: Rule): CompiledRule {
  return { matches: repositoryMatcher(repositories), who: new Set(who), allowed: bitsOf(actions) }
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
