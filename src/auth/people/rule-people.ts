import type { Identity, LoginClient } from '../../core/access/access-controller.ts'
import type { Login } from '../../core/access/authorization-header.ts'
import type { People, Person } from '../../core/access/sessions.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Accounts } from '../accounts.ts'
import { type RuleBook, RulePermissions } from '../permissions.ts'
import { Principal } from '../principal.ts'

export interface RulePeopleParts {
  readonly accounts: Accounts
  readonly book: RuleBook
  readonly havePasswords: boolean
}

/** People with accounts in the htpasswd file, or of identity providers, and their rights by the rules. */
export class RulePeople implements People {
  readonly havePasswords: boolean
  readonly #accounts: Accounts
  readonly #book: RuleBook

  constructor({ accounts, book, havePasswords }: RulePeopleParts) {
    this.#accounts = accounts
    this.#book = book
    this.havePasswords = havePasswords
  }

  async login(login: Login, client: LoginClient): Promise<Person> {
    const { kind, name, stamp, key } = await this.#accounts.login(login, client)
    if (kind !== 'user' || key !== undefined)
      throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'robots and keys have no sessions' } })
    return { source: 'password', name, groups: [], stamp }
  }

  identityOf({ source, name, groups, stamp }: Person): Identity | undefined {
    if (source === 'password' && this.#accounts.find(name)?.stamp !== stamp) return undefined
    const permissions = new RulePermissions(this.#book, { name, groups })
    return new Principal({ kind: 'user', name, proof: 'session', permissions })
  }
}
