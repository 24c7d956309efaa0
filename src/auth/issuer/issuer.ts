import { randomUUID } from 'node:crypto'
import { decodeProtectedHeader, SignJWT } from 'jose'
import { RegistryError } from '../../core/errors.ts'
import type { IssuedToken, TokenGrant, TokenIssuer, TokenRequest } from '../../core/token-issuer.ts'
import type { Proven } from '../remembered.ts'
import { ListedRights, NarrowedRights } from '../rights.ts'
import { Somebody } from '../somebody.ts'
import { accessOf, CLOCK_SKEW_SECONDS, invalidToken, verifyToken } from '../token/verify.ts'
import { type Holder, Holders, type HoldersParts, holderClaims, TOKEN_LIFETIME_SECONDS } from './holders.ts'
import { type KeyFile, publicKeySet, SIGNING_ALGORITHM } from './key-file.ts'
import { formatScope, grantedOf } from './scopes.ts'

export interface IssuerParts extends HoldersParts {
  /** Who signs, as the tokens have it. */
  readonly name: string
  /** Whom the tokens are for. */
  readonly service: string
  readonly keys: KeyFile
}

/** RFC 9068 keeps one kind of token from being taken for another by its type. */
const ACCESS_TYPE = 'JWT'
const REFRESH_TYPE = 'refresh+jwt'

/** The registry's own issuer of tokens. https://distribution.github.io/distribution/spec/auth/token/ and …/oauth/ */
export class Issuer implements TokenIssuer {
  readonly #parts: IssuerParts
  readonly #holders: Holders

  constructor(parts: IssuerParts) {
    this.#parts = parts
    this.#holders = new Holders(parts)
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
    if (grant.kind !== 'refresh') return this.#holders.by(grant, address)
    return (await this.#verify(grant.token, REFRESH_TYPE)).holder
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
    const claims = holderClaims.safeParse(payload)
    if (!claims.success) throw invalidToken('its claims are not ours')
    return { claims: payload, holder: this.#holders.again(claims.data) }
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

/** The key that a token says it is signed with; empty where it is no token. */
function keyIdOf(token: string): string {
  try {
    return decodeProtectedHeader(token).kid ?? ''
  } catch (error) {
    if (error instanceof TypeError) return ''
    throw error
  }
}
