import * as z from 'zod'
import type { LoginClient } from '../../core/access/access-controller.ts'
import { isNoLogin, parseBasic, splitAuthorization } from '../../core/access/authorization-header.ts'
import type { TokenGrant } from '../../core/access/token-issuer.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Account } from '../account.ts'
import type { Accounts } from '../accounts.ts'
import { type Permissions, type RuleBook, RulePermissions } from '../permissions.ts'
import { invalidToken } from '../token/verify.ts'
import type { WorkloadIdentity } from './oidc.ts'

export const TOKEN_LIFETIME_SECONDS = 5 * 60
/** Lifetime of refresh tokens that were issued for a password. */
export const REFRESH_LIFETIME_SECONDS = 30 * 24 * 60 * 60
/** Lifetime of refresh tokens that were issued for a CI job's token: as long as a job may run. */
const WORKLOAD_REFRESH_LIFETIME_SECONDS = 6 * 60 * 60

/** The subject of a token: an account, a CI job, or anonymous. */
export interface TokenSubject {
  readonly source: 'account' | 'key' | 'workload' | 'anonymous'
  readonly name: string
  readonly kind: 'user' | 'robot' | 'anonymous'
  readonly groups: readonly string[]
  /** Must still equal the account's stamp; empty for other subjects. */
  readonly stamp: string
  readonly permissions: Permissions
  /** The id of the personal key, if the source is one. */
  readonly key?: string | undefined
  /** End of the last token that can be issued without new credentials, in seconds since 1970. */
  readonly until: number
}

/** The private claims about the subject. */
export const subjectClaims = z.object({
  src: z.enum(['account', 'key', 'workload', 'anonymous']),
  sub: z.string(),
  groups: z.array(z.string()),
  stamp: z.string(),
  key: z.string().optional(),
  until: z.number(),
})

export interface TokenSubjectsParts {
  readonly accounts: Accounts
  readonly workloads: WorkloadIdentity
  readonly book: RuleBook
}

/** Finds the subjects of tokens, with their current permissions. */
export class TokenSubjects {
  readonly #parts: TokenSubjectsParts

  constructor(parts: TokenSubjectsParts) {
    this.#parts = parts
  }

  /** Authenticates by the credentials of a grant.
   *  @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS, UNAVAILABLE */
  async by(grant: Exclude<TokenGrant, { kind: 'refresh' }>, client: LoginClient): Promise<TokenSubject> {
    const { accounts, workloads } = this.#parts
    switch (grant.kind) {
      case 'header':
        return this.#byHeader(grant.authorization, client)
      case 'exchange':
        return this.#workload(await workloads.verify(grant.token))
      case 'password':
        // Clients without support for token exchange send a platform's token as a password.
        if (workloads.isFor(grant.password)) return this.#workload(await workloads.verify(grant.password))
        return this.#subjectOf(await accounts.login(grant, client))
    }
  }

  /** The token's subject, rechecked: account and password, or the key, must be unchanged.
   *  @throws RegistryError UNAUTHORIZED, UNAVAILABLE */
  async recheck(claims: z.output<typeof subjectClaims>): Promise<TokenSubject> {
    const { src, sub, groups, stamp, key = '', until } = claims
    if (src === 'anonymous') return this.#anonymous()
    if (src === 'workload') {
      if (!this.#parts.workloads.hasUser(sub)) throw invalidToken('its issuer is no longer trusted')
      return { ...this.#workload({ name: sub, groups }), until }
    }
    const subject = src === 'key' ? await this.#byKey(sub, key) : this.#byName(sub)
    if (subject.stamp !== stamp) throw invalidToken('the password was changed')
    return { ...subject, until }
  }

  #byHeader(authorization: string | undefined, client: LoginClient): TokenSubject | Promise<TokenSubject> {
    if (isNoLogin(authorization)) return this.#anonymous()
    const { scheme, credentials } = splitAuthorization(authorization)
    if (scheme === 'bearer') return this.by({ kind: 'exchange', token: credentials }, client)
    const login = scheme === 'basic' ? parseBasic(credentials) : undefined
    if (login === undefined) {
      throw new RegistryError('UNAUTHORIZED', { detail: { reason: 'a name and a password are required' } })
    }
    return this.by({ kind: 'password', ...login }, client)
  }

  #anonymous(): TokenSubject {
    const permissions = new RulePermissions(this.#parts.book)
    return {
      source: 'anonymous',
      kind: 'anonymous',
      name: '',
      groups: [],
      stamp: '',
      permissions,
      until: nowSeconds() + TOKEN_LIFETIME_SECONDS,
    }
  }

  #workload({ name, groups }: { name: string; groups: readonly string[] }): TokenSubject {
    return {
      source: 'workload',
      kind: 'user',
      name,
      groups,
      stamp: '',
      permissions: new RulePermissions(this.#parts.book, { name, groups }),
      until: nowSeconds() + WORKLOAD_REFRESH_LIFETIME_SECONDS,
    }
  }

  #byName(name: string): TokenSubject {
    const account = this.#parts.accounts.find(name)
    if (account === undefined) throw invalidToken('the account no longer exists')
    return this.#subjectOf(account)
  }

  async #byKey(name: string, id: string): Promise<TokenSubject> {
    const account = await this.#parts.accounts.findByKey(name, id)
    if (account === undefined) throw invalidToken('the key was revoked or has expired')
    return this.#subjectOf(account)
  }

  #subjectOf(account: Account): TokenSubject {
    const { kind, name, permissions, stamp, key, expiresAt = Number.POSITIVE_INFINITY } = account
    const until = Math.min(nowSeconds() + REFRESH_LIFETIME_SECONDS, Math.floor(expiresAt / 1000))
    const source = key === undefined ? 'account' : 'key'
    return { source, kind, name, groups: [], stamp, key, permissions, until }
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
