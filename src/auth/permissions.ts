import { ACTIONS, type Action } from '../core/access/access-controller.ts'
import {
  type ActionBits,
  ANYBODY,
  bitOf,
  bitsOf,
  EVERYTHING,
  NOTHING,
  type RuleSet,
  Rules,
  repositoryMatcher,
  type Subject,
} from './rules.ts'

/** Permissions on repositories, decided from memory. */
export interface Permissions {
  allowed(repository: string): ActionBits
  /** True if the catalog may be listed. */
  readonly mayList: boolean
  /** True if the subject may see how the registry is. */
  readonly mayOperate: boolean
}

/** The current rules, which may be replaced while the registry runs. */
export class RuleBook {
  #rules: Rules

  constructor(rules: RuleSet) {
    this.#rules = new Rules(rules)
  }

  get rules(): Rules {
    return this.#rules
  }

  replace(rules: RuleSet): void {
    this.#rules = new Rules(rules)
  }
}

/** A subject's permissions by the current rules. */
export class RulePermissions implements Permissions {
  readonly #book: RuleBook
  readonly #subject: Subject
  readonly #key: string

  constructor(book: RuleBook, subject: Subject = ANYBODY) {
    this.#book = book
    this.#subject = subject
    this.#key = subject.name === undefined ? '' : JSON.stringify([subject.name, ...subject.groups])
  }

  allowed(repository: string): ActionBits {
    return this.#book.rules.allowed(this.#subject, { key: this.#key, repository })
  }

  get mayList(): boolean {
    return this.#subject.name !== undefined || this.#book.rules.anonymousMayPull
  }

  get mayOperate(): boolean {
    return this.#book.rules.isOperator(this.#subject)
  }
}

export const ALL_PERMISSIONS: Permissions = { mayList: true, mayOperate: true, allowed: () => EVERYTHING }
export const NO_PERMISSIONS: Permissions = { mayList: false, mayOperate: false, allowed: () => NOTHING }

/** A robot's permissions: those it was created with, and those of anonymous clients. */
export class RobotPermissions implements Permissions {
  readonly mayList = true
  readonly mayOperate = false
  readonly #matches: (repository: string) => boolean
  readonly #actions: ActionBits
  readonly #anonymous: Permissions

  constructor(
    scope: { repositories: readonly string[]; actions: readonly (Action | '*')[] },
    anonymous: Permissions,
  ) {
    this.#matches = repositoryMatcher(scope.repositories)
    this.#actions = bitsOf(scope.actions)
    this.#anonymous = anonymous
  }

  allowed(repository: string): ActionBits {
    return (this.#matches(repository) ? this.#actions : NOTHING) | this.#anonymous.allowed(repository)
  }
}

/** The permissions of a person's key: those of its owner that the key is good for, and those of anonymous clients. */
export class KeyPermissions implements Permissions {
  readonly #matches: (repository: string) => boolean
  readonly #actions: ActionBits
  readonly #own: Permissions
  readonly #anonymous: Permissions

  constructor(
    scope: { repositories: readonly string[]; actions: readonly (Action | '*')[] },
    { own, anonymous }: { own: Permissions; anonymous: Permissions },
  ) {
    this.#matches = repositoryMatcher(scope.repositories)
    this.#actions = bitsOf(scope.actions)
    this.#own = own
    this.#anonymous = anonymous
  }

  allowed(repository: string): ActionBits {
    const own = this.#matches(repository) ? this.#actions & this.#own.allowed(repository) : NOTHING
    return own | this.#anonymous.allowed(repository)
  }

  get mayList(): boolean {
    return this.#own.mayList
  }

  /** Keys are for content. */
  get mayOperate(): boolean {
    return false
  }
}

/** The permissions in a token. */
export class ListedPermissions implements Permissions {
  readonly mayList: boolean
  readonly mayOperate: boolean
  readonly #actions = new Map<string, ActionBits>()

  /** Reads the permissions of a token.
   *  @param pushNeedsPull true if a push requires `pull` too, as in Distribution */
  constructor(access: readonly ResourceActions[], { pushNeedsPull = false } = {}) {
    for (const { type, name, actions } of access) {
      if (type === 'repository') this.#actions.set(name, this.allowed(name) | bitsOfWords(actions))
    }
    if (pushNeedsPull) {
      for (const [name, bits] of this.#actions) {
        if ((bits & bitOf('pull')) === 0) this.#actions.set(name, bits & ~bitOf('push'))
      }
    }
    this.mayList = access.some(
      ({ type, name, actions }) => type === 'registry' && name === 'catalog' && actions.includes('*'),
    )
    this.mayOperate = this.mayList
  }

  allowed(repository: string): ActionBits {
    return this.#actions.get(repository) ?? NOTHING
  }
}

/** The permissions in a token, limited to the subject's current ones. */
export class NarrowedPermissions implements Permissions {
  readonly #listed: Permissions
  readonly #own: Permissions

  constructor(listed: Permissions, own: Permissions) {
    this.#listed = listed
    this.#own = own
  }

  allowed(repository: string): ActionBits {
    const listed = this.#listed.allowed(repository)
    return listed === NOTHING ? NOTHING : listed & this.#own.allowed(repository)
  }

  get mayList(): boolean {
    return this.#listed.mayList && this.#own.mayList
  }

  get mayOperate(): boolean {
    return this.#listed.mayOperate && this.#own.mayOperate
  }
}

/** One entry of a token's `access`. https://distribution.github.io/distribution/spec/auth/jwt/ */
export interface ResourceActions {
  readonly type: string
  readonly name: string
  readonly actions: readonly string[]
}

/** Maps actions to bits and ignores unknown ones. */
function bitsOfWords(words: readonly string[]): ActionBits {
  return bitsOf(words.filter((word): word is Action | '*' => word === '*' || ACTIONS.some((a) => a === word)))
}
