import { randomUUID } from 'node:crypto'
import { decodeProtectedHeader, SignJWT } from 'jose'
import type { LoginClient } from '../../core/access/access-controller.ts'
import type { IssuedToken, TokenGrant, TokenIssuer, TokenRequest } from '../../core/access/token-issuer.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Authentication } from '../credential-cache.ts'
import { KEY_REMEMBERED_MS } from '../keys/key-accounts.ts'
import { ListedPermissions, NarrowedPermissions } from '../permissions.ts'
import { Principal } from '../principal.ts'
import { accessOf, CLOCK_SKEW_SECONDS, invalidToken, verifyToken } from '../token/verify.ts'
import { type KeyFile, publicKeySet, SIGNING_ALGORITHM } from './key-file.ts'
import { formatScope, grantedOf } from './scopes.ts'
import {
  subjectClaims,
  TOKEN_LIFETIME_SECONDS,
  type TokenSubject,
  TokenSubjects,
  type TokenSubjectsParts,
} from './token-subjects.ts'

export interface IssuerParts extends TokenSubjectsParts {
  /** The claim `iss` of the tokens. */
  readonly name: string
  /** The claim `aud` of the tokens. */
  readonly service: string
  readonly keys: KeyFile
}

/** Types that keep access and refresh tokens apart, as in RFC 9068. */
const ACCESS_TYPE = 'JWT'
const REFRESH_TYPE = 'refresh+jwt'

/** Size limit of issued tokens, which may contain the claims of the token they were exchanged for. Fits into
 *  a request's header. */
const MAX_ISSUED_BYTES = 12 * 1024

/** The registry's own token issuer. https://distribution.github.io/distribution/spec/auth/token/ and
 *  …/oauth/ */
export class Issuer implements TokenIssuer {
  readonly #parts: IssuerParts
  readonly #subjects: TokenSubjects

  constructor(parts: IssuerParts) {
    this.#parts = parts
    this.#subjects = new TokenSubjects(parts)
  }

  async issue({ grant, service, scopes, offline, client }: TokenRequest): Promise<IssuedToken> {
    if (service !== undefined && service !== this.#parts.service) {
      throw new RegistryError('DENIED', { message: `tokens are issued for ${this.#parts.service} only` })
    }
    const subject = await this.#holderOf(grant, client)
    if (subject.source === 'anonymous' && !subject.permissions.mayList)
      throw new RegistryError('UNAUTHORIZED')
    const issuedAt = new Date()
    const granted = grantedOf(scopes, subject.permissions)
    return {
      name: subject.name,
      kind: subject.kind,
      key: subject.key,
      token: await this.#sign(subject, { type: ACCESS_TYPE, issuedAt, claims: { access: granted } }),
      issuedAt,
      lifetimeSeconds: TOKEN_LIFETIME_SECONDS,
      scope: granted.map(formatScope).join(' '),
      ...(offline && subject.source !== 'anonymous'
        ? { refreshToken: await this.#sign(subject, { type: REFRESH_TYPE, issuedAt, claims: {} }) }
        : {}),
    }
  }

  keySet(): Readonly<Record<string, unknown>> {
    return publicKeySet(this.#parts.keys.all)
  }

  /** Authenticates by an access token of this issuer, if its subject is still valid.
   *  @throws RegistryError UNAUTHORIZED */
  async prove(token: string): Promise<Authentication> {
    const { claims, subject } = await this.#verify(token, ACCESS_TYPE)
    const permissions = new NarrowedPermissions(new ListedPermissions(accessOf(claims)), subject.permissions)
    return {
      identity: new Principal({ ...subject, proof: 'token', permissions, seen: subject.permissions }),
      expiresAt: Math.min(
        (claims.exp + CLOCK_SKEW_SECONDS) * 1000,
        subject.key === undefined ? Number.POSITIVE_INFINITY : Date.now() + KEY_REMEMBERED_MS,
      ),
    }
  }

  async #holderOf(grant: TokenGrant, client: LoginClient): Promise<TokenSubject> {
    if (grant.kind !== 'refresh') return this.#subjects.by(grant, client)
    return (await this.#verify(grant.token, REFRESH_TYPE)).subject
  }

  async #verify(token: string, type: typeof ACCESS_TYPE | typeof REFRESH_TYPE) {
    const { keys, name, service } = this.#parts
    const key = await keys.find(keyIdOf(token))
    const payload = await verifyToken(token, {
      issuer: name,
      audience: service,
      typ: type,
      maxBytes: MAX_ISSUED_BYTES,
      choose: () => key && { key: key.publicKey, algorithms: [SIGNING_ALGORITHM] },
    })
    const claims = subjectClaims.safeParse(payload)
    if (!claims.success) throw invalidToken('its claims are invalid')
    return { claims: payload, subject: await this.#subjects.recheck(claims.data) }
  }

  /** Signs a token.
   *  @throws RegistryError DENIED if the token would be too long */
  async #sign(subject: TokenSubject, { type, issuedAt, claims }: SignOptions): Promise<string> {
    const { keys, name, service } = this.#parts
    const { id, privateKey } = keys.current
    const seconds = Math.floor(issuedAt.getTime() / 1000)
    const { source: src, groups, stamp, key, until } = subject
    const token = await new SignJWT({ src, groups, stamp, ...(key && { key }), until, ...claims })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: type, kid: id })
      .setIssuer(name)
      .setSubject(subject.name)
      .setAudience(service)
      .setIssuedAt(seconds)
      .setNotBefore(seconds)
      .setExpirationTime(type === ACCESS_TYPE ? Math.min(seconds + TOKEN_LIFETIME_SECONDS, until) : until)
      .setJti(randomUUID())
      .sign(privateKey)
    if (token.length <= MAX_ISSUED_BYTES) return token
    throw new RegistryError('DENIED', {
      message: `the token would be longer than ${MAX_ISSUED_BYTES / 1024} KiB: too many permissions were requested, or the user has too many groups`,
      detail: { bytes: token.length, groups: groups.length },
    })
  }
}

interface SignOptions {
  readonly type: typeof ACCESS_TYPE | typeof REFRESH_TYPE
  readonly issuedAt: Date
  readonly claims: Readonly<Record<string, unknown>>
}

/** The `kid` in a token's header. Empty if it is malformed. */
function keyIdOf(token: string): string {
  try {
    return decodeProtectedHeader(token).kid ?? ''
  } catch (error) {
    if (error instanceof TypeError) return ''
    throw error
  }
}
