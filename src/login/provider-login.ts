import { randomBytes } from 'node:crypto'
import * as client from 'openid-client'
import * as z from 'zod'
import type { LoginBegin, LoginFailure, Person } from '../core/access/sessions.ts'
import { RegistryError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { Sealing } from './sealing.ts'

export interface ProviderSettings {
  /** Part of URLs. */
  readonly id: string
  /** For people. */
  readonly name: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scopes: readonly string[]
  /** Prefix of users and groups, which keeps them apart from those of other sources. */
  readonly prefix: string
  readonly claims: {
    readonly user: string
    readonly groups: readonly string[]
    readonly require: Readonly<Record<string, string>>
  }
}

const begun = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirectUri: z.string(),
  returnTo: z.string(),
})

/** A login that waits for the provider's answer. */
export type BegunLogin = z.infer<typeof begun>

const LOGIN_MS = 10 * 60_000
const TIMEOUT_SECONDS = 10

type Claims = Readonly<Record<string, unknown>>

/** Login by an identity provider: OpenID Connect Core 1.0, authorization code flow, with PKCE (RFC 7636). What has
 *  to be remembered is in a cookie of the browser, so that the answer may reach any replica. */
export class ProviderLogin {
  readonly id: string
  readonly name: string
  readonly prefix: string
  readonly #settings: ProviderSettings
  readonly #sealing: Sealing
  readonly #log: Log
  #discovery: Promise<client.Configuration> | undefined

  constructor(settings: ProviderSettings, { secret, log }: { secret: string | Uint8Array; log: Log }) {
    this.#settings = settings
    this.#sealing = new Sealing(secret, 'login')
    this.#log = log
    this.id = settings.id
    this.name = settings.name
    this.prefix = settings.prefix
  }

  /** @throws RegistryError UNAVAILABLE */
  async begin({ redirectUri, returnTo }: { redirectUri: string; returnTo: string }): Promise<LoginBegin> {
    const configuration = await this.#discover()
    const random = () => randomBytes(32).toString('base64url')
    const login: BegunLogin = {
      ...{ provider: this.id, redirectUri, returnTo },
      ...{ state: random(), nonce: random(), verifier: client.randomPKCECodeVerifier() },
    }
    const location = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: ['openid', ...this.#settings.scopes].join(' '),
      ...{ state: login.state, nonce: login.nonce },
      code_challenge: await client.calculatePKCECodeChallenge(login.verifier),
      code_challenge_method: 'S256',
    })
    return { location, cookie: await this.#sealing.seal({ login }, LOGIN_MS) }
  }

  /** The login that a cookie belongs to. Undefined if it is not one of this provider, or has expired. */
  async begun(cookie: string): Promise<BegunLogin | undefined> {
    const parsed = begun.safeParse((await this.#sealing.open(cookie))?.login)
    return parsed.success && parsed.data.provider === this.id ? parsed.data : undefined
  }

  /** @param current the URL that the provider has led to */
  async finish(current: URL, login: BegunLogin): Promise<Person | { failure: LoginFailure }> {
    try {
      return this.#personOf(await this.#claims(current, login))
    } catch (err) {
      const failure = failureOf(err)
      this.#log.warn({ provider: this.id, failure, err }, 'a login by an identity provider failed')
      return { failure }
    }
  }

  /** Those of the ID token and of the user information together. */
  async #claims(current: URL, { state, nonce, verifier, redirectUri }: BegunLogin): Promise<Claims> {
    const configuration = await this.#discover()
    const url = new URL(redirectUri)
    url.search = current.search
    const tokens = await client.authorizationCodeGrant(configuration, url, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    })
    const claims = tokens.claims()
    if (claims === undefined) throw new LoginError('failed', 'there is no ID token')
    if (configuration.serverMetadata().userinfo_endpoint === undefined) return claims
    const info = await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    return { ...info, ...claims }
  }

  #personOf(claims: Claims): Person {
    const { prefix, claims: names } = this.#settings
    for (const [claim, wanted] of Object.entries(names.require)) {
      if (!textsOf(claims[claim]).includes(wanted))
        throw new LoginError('denied', `its ${claim} is not the one required`)
    }
    const [user] = textsOf(claims[names.user])
    if (user === undefined || user === '') throw new LoginError('failed', `there is no claim ${names.user}`)
    // OpenID Connect Core 1.0, section 5.6.2: Entra leaves out groups so, if there are many.
    const elsewhere = claims._claim_names
    if (
      names.groups.some((claim) => typeof elsewhere === 'object' && elsewhere !== null && claim in elsewhere)
    )
      throw new LoginError('groups', 'the provider has left the groups out')
    const groups = names.groups.flatMap((claim) => textsOf(claims[claim])).map((group) => prefix + group)
    return { source: 'provider', name: prefix + user, groups, stamp: '' }
  }

  /** Runs discovery once; again if it failed. */
  #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret } = this.#settings
    const url = new URL(issuer)
    const execute = url.protocol === 'http:' ? [client.allowInsecureRequests] : []
    this.#discovery ??= client
      .discovery(url, clientId, clientSecret, undefined, { execute, timeout: TIMEOUT_SECONDS })
      .catch((cause) => {
        this.#discovery = undefined
        throw new RegistryError('UNAVAILABLE', {
          message: 'the identity provider could not be reached',
          cause,
        })
      })
    return this.#discovery
  }
}

class LoginError extends Error {
  readonly failure: LoginFailure

  constructor(failure: LoginFailure, message: string) {
    super(message)
    this.failure = failure
  }
}

function failureOf(error: unknown): LoginFailure {
  if (error instanceof LoginError) return error.failure
  if (error instanceof RegistryError) return 'unavailable'
  if (error instanceof client.AuthorizationResponseError)
    return error.error === 'access_denied' ? 'denied' : 'failed'
  return 'failed'
}

/** The texts of a claim. Empty if it is neither text nor a list. */
function textsOf(claim: unknown): string[] {
  return [claim]
    .flat()
    .flatMap((one) => (['string', 'number', 'boolean'].includes(typeof one) ? [String(one)] : []))
}
