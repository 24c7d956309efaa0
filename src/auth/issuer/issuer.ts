import { randomUUID } from 'node:crypto'
import { decodeProtectedHeader, SignJWT } from 'jose'
import { z } from 'zod'
import { RegistryError } from '../../core/errors.ts'
import type { IssuedToken, TokenGrant, TokenIssuer, TokenRequest } from '../../core/token-issuer.ts'
import type { Accounts } from '../accounts.ts'
import { isNoLogin, parseBasic, splitAuthorization } from '../basic.ts'
import type { Proven } from '../remembered.ts'
import { ListedRights, NarrowedRights, type Rights, type RuleBook, RuleRights } from '../rights.ts'
import { Somebody } from '../somebody.ts'
import { accessOf, CLOCK_SKEW_SECONDS, invalidToken, verifyToken } from '../token/verify.ts'
import { type KeyFile, publicKeySet, SIGNING_ALGORITHM } from './key-file.ts'
import type { WorkloadIdentity } from './oidc.ts'
import { formatScope, grantedOf } from './scopes.ts'

export interface IssuerParts {
  /** Who signs, as the tokens have it. */
  readonly name: string
  /** Whom the tokens are for. */
  readonly service: string
  readonly keys: KeyFile
  readonly accounts: Accounts
  readonly workloads: WorkloadIdentity
  readonly book: RuleBook
}

const TOKEN_LIFETIME_SECONDS = 5 * 60
const DAY_SECONDS = 24 * 60 * 60
/** Of a refresh token that a password got. */
export const REFRESH_LIFETIME_SECONDS = 30 * DAY_SECONDS
/** Of one that a platform's token got: as long as a job may run. */
const WORKLOAD_REFRESH_LIFETIME_SECONDS = 6 * 60 * 60

/** RFC 9068 keeps one kind of token from being taken for another by its type. */
const ACCESS_TYPE = 'JWT'
const REFRESH_TYPE = 'refresh+jwt'

/** Whoever holds a token: an account, a platform's job, or nobody in particular. */
interface Holder {
  readonly source: 'account' | 'workload' | 'anonymous'
  readonly name: string
  readonly kind: 'user' | 'robot' | 'anonymous'
  readonly groups: readonly string[]
  /** What must still be the account's for the token to count; empty for who has none. */
  readonly stamp: string
  readonly rights: Rights
  /** When the last token ends that can be got without new credentials, in seconds since 1970. */
  readonly until: number
}

/** The registry's own issuer of tokens. https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/ */
export class Issuer implements TokenIssuer {
  readonly #parts: IssuerParts

  constructor(parts: IssuerParts) {
    this.#parts = parts
  }

  async issue({ grant, service, scopes, offline, address }: TokenRequest): Promise<IssuedToken> {
    if (service !== undefined && service !== this.#parts.service) {
      throw new RegistryError('DENIED', { message: `tokens are given here for ${this.#parts.service} only` })
    }
    const holder = await this.#holderOf(grant, address)
    if (holder.source === 'anonymous' && !holder.rights.mayList) throw new RegistryError('UNAUTHORIZED')
    const issuedAt = new Date()
    const granted = grantedOf(scopes, holder.rights)
    return {
      name: holder.name,
      kind: holder.kind,
      token: await this.#sign(holder, { type: ACCESS_TYPE, issuedAt, claims: { access: granted } }),
      issuedAt,
      lifetimeSeconds: TOKEN_LIFETIME_SECONDS,
      scope: granted.map(formatScope).join(' '),
      ...(offline && holder.source !== 'anonymous'
        ? { refreshToken: await this.#sign(holder, { type: REFRESH_TYPE, issuedAt, claims: {} }) }
        : {}),
    }
  }

  keySet(): Readonly<Record<string, unknown>> {
    return publicKeySet(this.#parts.keys.all)
  }

  /** The identity that one of our access tokens proves, as long as its holder still is who it was.
   *  @throws RegistryError UNAUTHORIZED */
  async prove(token: string): Promise<Proven> {
    const { claims, holder } = await this.#verify(token, ACCESS_TYPE)
    const rights = new NarrowedRights(new ListedRights(accessOf(claims)), holder.rights)
    return {
      identity: new Somebody({ ...holder, proof: 'token', rights, seen: holder.rights }),
      until: (claims.exp + CLOCK_SKEW_SECONDS) * 1000,
    }
  }

  async #holderOf(grant: TokenGrant, address: string): Promise<Holder> {
    const { accounts, workloads } = this.#parts
    switch (grant.kind) {
      case 'header':
        return this.#byHeader(grant.authorization, address)
      case 'refresh':
        return (await this.#verify(grant.token, REFRESH_TYPE)).holder
      case 'exchange':
        return this.#workload(await workloads.verify(grant.token))
      case 'password':
        // Clients that know of passwords only send a platform's token as one.
        if (workloads.isFor(grant.password)) return this.#workload(await workloads.verify(grant.password))
        return this.#accountHolder((await accounts.login(grant, address)).name)
    }
  }

  #byHeader(authorization: string | undefined, address: string): Holder | Promise<Holder> {
    if (isNoLogin(authorization)) return this.#anonymous()
    const { scheme, credentials } = splitAuthorization(authorization)
    if (scheme === 'bearer') return this.#holderOf({ kind: 'exchange', token: credentials }, address)
    const login = scheme === 'basic' ? parseBasic(credentials) : undefined
    if (login === undefined)
      throw new RegistryError('UNAUTHORIZED', { message: 'a name and a password are wanted' })
    return this.#holderOf({ kind: 'password', ...login }, address)
  }

  async #verify(token: string, type: typeof ACCESS_TYPE | typeof REFRESH_TYPE) {
    const { keys, name, service } = this.#parts
    const key = await keys.find(keyIdOf(token))
    const payload = await verifyToken(token, {
      issuer: name,
      audience: service,
      typ: type,
      choose: () => key && { key: key.publicKey, algorithms: [SIGNING_ALGORITHM] },
    })
    const claims = ownClaims.safeParse(payload)
    if (!claims.success) throw invalidToken('its claims are not ours')
    return { claims: payload, holder: this.#holderAgain(claims.data) }
  }

  /** Whoever a token of ours was given to, with the rights they have now. */
  #holderAgain({ src, sub, groups, stamp, until }: z.output<typeof ownClaims>): Holder {
    if (src === 'anonymous') return this.#anonymous()
    if (src === 'workload') {
      if (!this.#parts.workloads.hasUser(sub)) throw invalidToken('its issuer is not trusted any more')
      return { ...this.#workload({ name: sub, groups }), until }
    }
    const holder = this.#accountHolder(sub)
    if (holder.stamp !== stamp) throw invalidToken('the password was changed')
    return { ...holder, until }
  }

  #anonymous(): Holder {
    const rights = new RuleRights(this.#parts.book)
    return {
      source: 'anonymous',
      kind: 'anonymous',
      name: '',
      groups: [],
      stamp: '',
      rights,
      until: nowSeconds() + TOKEN_LIFETIME_SECONDS,
    }
  }

  #workload({ name, groups }: { name: string; groups: readonly string[] }): Holder {
    return {
      source: 'workload',
      kind: 'user',
      name,
      groups,
      stamp: '',
      rights: new RuleRights(this.#parts.book, { name, groups }),
      until: nowSeconds() + WORKLOAD_REFRESH_LIFETIME_SECONDS,
    }
  }

  #accountHolder(name: string): Holder {
    const account = this.#parts.accounts.find(name)
    if (account === undefined) throw invalidToken('there is no such account any more')
    const { kind, rights, stamp, expiresAt = Number.POSITIVE_INFINITY } = account
    const until = Math.min(nowSeconds() + REFRESH_LIFETIME_SECONDS, Math.floor(expiresAt / 1000))
    return { source: 'account', kind, name, groups: [], stamp, rights, until }
  }

  #sign(holder: Holder, { type, issuedAt, claims }: SignOptions): Promise<string> {
    const { keys, name, service } = this.#parts
    const { id, privateKey } = keys.current
    const seconds = Math.floor(issuedAt.getTime() / 1000)
    const { source: src, groups, stamp, until } = holder
    return new SignJWT({ src, groups, stamp, until, ...claims })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: type, kid: id })
      .setIssuer(name)
      .setSubject(holder.name)
      .setAudience(service)
      .setIssuedAt(seconds)
      .setNotBefore(seconds)
      .setExpirationTime(type === ACCESS_TYPE ? Math.min(seconds + TOKEN_LIFETIME_SECONDS, until) : until)
      .setJti(randomUUID())
      .sign(privateKey)
  }
}

interface SignOptions {
  readonly type: typeof ACCESS_TYPE | typeof REFRESH_TYPE
  readonly issuedAt: Date
  readonly claims: Readonly<Record<string, unknown>>
}

/** What our tokens have beside the registered claims. */
const ownClaims = z.object({
  src: z.enum(['account', 'workload', 'anonymous']),
  sub: z.string(),
  groups: z.array(z.string()),
  stamp: z.string(),
  until: z.number(),
})

/** The key that a token says it is signed with; empty where it is no token. */
function keyIdOf(token: string): string {
  try {
    return decodeProtectedHeader(token).kid ?? ''
  } catch (error) {
    if (error instanceof TypeError) return ''
    throw error
  }
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
