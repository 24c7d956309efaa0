import { createRemoteJWKSet, decodeJwt, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import * as z from 'zod'
import { RegistryError } from '../../core/errors.ts'
import { CLOCK_SKEW_SECONDS, invalidToken, MAX_TOKEN_BYTES } from '../token/verify.ts'

export interface OidcSettings {
  /** The issuer, exactly as in its tokens. Its keys are found by OpenID Connect Discovery 1.0. */
  readonly issuer: string
  readonly audience: string
  /** Prefix of users and groups, which keeps them apart from those of other sources. */
  readonly prefix: string
  readonly claims: {
    /** The claim with the user's name. */
    readonly user: string
    /** Claims with groups: text, or a list of text. */
    readonly groups: readonly string[]
    /** Required values of claims. */
    readonly require: Readonly<Record<string, string>>
  }
}

export interface WorkloadUser {
  readonly name: string
  readonly groups: readonly string[]
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const TIMEOUT_MS = 5_000

/** Identities of CI jobs, proved by OpenID Connect tokens of their platform. */
export class WorkloadIdentity {
  readonly #issuers: ReadonlyMap<string, TrustedIssuer>

  constructor(settings: readonly OidcSettings[]) {
    this.#issuers = new Map(settings.map((one) => [one.issuer, new TrustedIssuer(one)]))
  }

  /** True if the token names one of the issuers. Verifies nothing. */
  isFor(token: string): boolean {
    return this.#issuerOf(token) !== undefined
  }

  /** True for users of issuers that are still configured. */
  hasUser(name: string): boolean {
    return [...this.#issuers.values()].some(({ prefix }) => name.startsWith(prefix))
  }

  /** Verifies a token.
   *  @throws RegistryError UNAUTHORIZED; UNAVAILABLE if the issuer's keys can't be fetched */
  verify(token: string): Promise<WorkloadUser> {
    const issuer = this.#issuerOf(token)
    if (issuer === undefined) throw invalidToken('its issuer is not one of auth.oidc')
    return issuer.verify(token)
  }

  #issuerOf(token: string): TrustedIssuer | undefined {
    if (token.length > MAX_TOKEN_BYTES || token.split('.').length !== 3) return undefined
    try {
      return this.#issuers.get(decodeJwt(token).iss ?? '')
    } catch (error) {
      if (error instanceof errors.JWTInvalid) return undefined
      throw error
    }
  }
}

class TrustedIssuer {
  readonly #settings: OidcSettings
  #discovery: Promise<JWTVerifyGetKey> | undefined

  constructor(settings: OidcSettings) {
    this.#settings = settings
  }

  get prefix(): string {
    return this.#settings.prefix
  }

  /** Verifies a token. If the keys can't be fetched, discovery is repeated once, because their URL may have
   *  changed. */
  async verify(token: string): Promise<WorkloadUser> {
    const discovery = this.#discover()
    try {
      return await this.#verifyBy(await discovery, token)
    } catch (error) {
      if (!isUnreachable(error)) throw error
    }
    if (this.#discovery === discovery) this.#discovery = undefined
    return this.#verifyBy(await this.#discover(), token).catch((error) => {
      throw isUnreachable(error) ? unreachable(this.#settings.issuer, error) : error
    })
  }

  /** Verifies a token by a key set.
   *  @throws RegistryError UNAUTHORIZED; jose's error if the keys can't be fetched */
  async #verifyBy(keys: JWTVerifyGetKey, token: string): Promise<WorkloadUser> {
    const { issuer, audience } = this.#settings
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_SKEW_SECONDS,
        requiredClaims: ['exp'],
      })
      return this.#userOf(payload)
    } catch (error) {
      if (!isUnreachable(error) && error instanceof errors.JOSEError) throw invalidToken(error.message)
      throw error
    }
  }

  /** Runs discovery once; again if it failed. */
  #discover(): Promise<JWTVerifyGetKey> {
    this.#discovery ??= discoverKeys(this.#settings.issuer).catch((error) => {
      this.#discovery = undefined
      throw unreachable(this.#settings.issuer, error)
    })
    return this.#discovery
  }

  #userOf(payload: JWTPayload): WorkloadUser {
    const { prefix, claims } = this.#settings
    for (const [claim, wanted] of Object.entries(claims.require)) {
      if (!textsOf(payload[claim]).includes(wanted))
        throw invalidToken(`its ${claim} is not the one required`)
    }
    const [user] = textsOf(payload[claims.user])
    if (user === undefined || user === '') throw invalidToken(`it has no ${claims.user}`)
    const groups = claims.groups.flatMap((claim) => textsOf(payload[claim])).map((group) => prefix + group)
    return { name: prefix + user, groups }
  }
}

/** The texts of a claim. Empty if it is neither text nor a list. */
function textsOf(claim: unknown): string[] {
  return [claim]
    .flat()
    .flatMap((one) =>
      typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean' ? [String(one)] : [],
    )
}

const discovered = z.object({ issuer: z.string(), jwks_uri: z.url() })

/** OpenID Connect Discovery 1.0, section 4. */
async function discoverKeys(issuer: string): Promise<JWTVerifyGetKey> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) })
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  const document = discovered.parse(await answer.json())
  if (document.issuer !== issuer) throw new Error(`${url} is of another issuer: ${document.issuer}`)
  if (new URL(issuer).protocol === 'https:' && new URL(document.jwks_uri).protocol !== 'https:') {
    throw new Error(`${url} has a key URL without TLS`)
  }
  return createRemoteJWKSet(new URL(document.jwks_uri), { timeoutDuration: TIMEOUT_MS })
}

/** True for errors of jose that do not concern the token itself. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return error instanceof TypeError
  return ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID'].includes(error.code)
}

function unreachable(issuer: string, cause: unknown): RegistryError {
  return new RegistryError('UNAVAILABLE', {
    message: `the issuer ${issuer} could not be reached for its keys`,
    cause,
  })
}
