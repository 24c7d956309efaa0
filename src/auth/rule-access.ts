import type { X509Certificate } from 'node:crypto'
import type {
  AccessController,
  ChallengeOptions,
  Credentials,
  Identity,
  LoginClient,
} from '../core/access/access-controller.ts'
import { isNoLogin, parseBasic, splitAuthorization } from '../core/access/authorization-header.ts'
import { TOKEN_PATH } from '../core/access/token-issuer.ts'
import { RegistryError } from '../core/errors.ts'
import type { Accounts } from './accounts.ts'
import { type CertificateField, userOfCertificate } from './certificate-user.ts'
import { basicChallenge, bearerChallenge } from './challenge.ts'
import type { Authentication, CredentialCache } from './credential-cache.ts'
import type { Issuer } from './issuer/issuer.ts'
import { KEY_REMEMBERED_MS } from './keys/key-accounts.ts'
import { type RuleBook, RulePermissions } from './permissions.ts'
import { Principal } from './principal.ts'

/** The settings of the header `WWW-Authenticate`. */
export type ChallengeSettings =
  | { readonly scheme: 'basic'; readonly realm: string }
  | { readonly scheme: 'bearer'; readonly realm: string | undefined; readonly service: string }

export interface RuleAccessParts {
  readonly book: RuleBook
  readonly accounts: Accounts
  readonly issuer: Issuer | undefined
  readonly certificateField: CertificateField | undefined
  /** Undefined if clients can't authenticate. */
  readonly challengeSettings: ChallengeSettings | undefined
  readonly credentialCache: CredentialCache
}

/** Lifetime of a verified password in the cache. */
const PASSWORD_REMEMBERED_MS = 60_000

/** Access control by users, robots, the registry's own tokens, and rules. */
export class RuleAccess implements AccessController {
  readonly #parts: RuleAccessParts
  readonly #anonymous: Identity
  readonly #byCertificate = new WeakMap<X509Certificate, Identity>()

  constructor(parts: RuleAccessParts) {
    this.#parts = parts
    const permissions = new RulePermissions(parts.book)
    this.#anonymous = new Principal({ kind: 'anonymous', name: '', proof: 'none', permissions })
  }

  /** Reads only the needed parts of the credentials: computing the address costs more than the rest. */
  identifyIfCached(credentials: Credentials): Identity | undefined {
    const { authorization } = credentials
    if (isNoLogin(authorization)) return this.#withoutLogin(credentials)
    return this.#parts.credentialCache.get(authorization)
  }

  async identify(credentials: Credentials): Promise<Identity> {
    const { authorization } = credentials
    if (isNoLogin(authorization)) return this.#withoutLogin(credentials)
    return this.#parts.credentialCache.identify(authorization, () => this.#prove(authorization, credentials))
  }

  challenge(options: ChallengeOptions): string | undefined {
    const { challengeSettings } = this.#parts
    if (challengeSettings === undefined) return undefined
    const { realm } = challengeSettings
    if (challengeSettings.scheme === 'basic') return basicChallenge(challengeSettings.realm)
    const ownRealm = `${options.origin('http') ?? ''}${options.prefix}${TOKEN_PATH}`
    return bearerChallenge({ ...options, service: challengeSettings.service, realm: realm ?? ownRealm })
  }

  async #prove(authorization: string, client: LoginClient): Promise<Authentication> {
    const { scheme, credentials } = splitAuthorization(authorization)
    if (scheme === 'bearer' && this.#parts.issuer !== undefined) return this.#parts.issuer.prove(credentials)
    const login = scheme === 'basic' ? parseBasic(credentials) : undefined
    if (login === undefined)
      throw new RegistryError('UNAUTHORIZED', {
        detail: { reason: 'unsupported kind of credentials' },
      })
    const {
      kind,
      name,
      permissions,
      key,
      expiresAt = Number.POSITIVE_INFINITY,
    } = await this.#parts.accounts.login(login, client)
    return {
      identity: new Principal({
        kind,
        name,
        proof: key === undefined ? 'password' : 'key',
        permissions,
        key,
      }),
      expiresAt: Math.min(
        Date.now() + (key === undefined ? PASSWORD_REMEMBERED_MS : KEY_REMEMBERED_MS),
        expiresAt,
      ),
    }
  }

  #withoutLogin({ certificate }: Credentials): Identity {
    return certificate === undefined ? this.#anonymous : this.#principalOf(certificate)
  }

  #principalOf(certificate: X509Certificate): Identity {
    const known = this.#byCertificate.get(certificate)
    if (known !== undefined) return known
    const { certificateField, book } = this.#parts
    const name = certificateField && userOfCertificate(certificate, certificateField)
    if (name === undefined) return this.#anonymous
    const permissions = new RulePermissions(book, { name, groups: [] })
    const principal = new Principal({ kind: 'user', name, proof: 'certificate', permissions })
    this.#byCertificate.set(certificate, principal)
    return principal
  }
}
