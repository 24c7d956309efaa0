import type { Identity } from './access-controller.ts'

/** What a client shows to get a token. */
export type TokenGrant =
  /** The header `Authorization`, with a password; nothing at all for nobody in particular. */
  | { readonly kind: 'header'; readonly authorization: string | undefined }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'refresh'; readonly token: string }
  /** A token of another issuer: of the platform that a CI job runs on. */
  | { readonly kind: 'exchange'; readonly token: string }

export interface TokenRequest {
  readonly grant: TokenGrant
  /** Whom the token is for; the registry itself where it is absent. */
  readonly service: string | undefined
  /** What is asked for: `repository:a/b:pull,push`, one or several, separated by spaces. */
  readonly scopes: readonly string[]
  /** A refresh token is wanted too. */
  readonly offline: boolean
  /** Where the request comes from: failed logins are counted by it. */
  readonly address: string
}

export interface IssuedToken {
  /** Whom it was given to; empty for nobody in particular. */
  readonly name: string
  readonly kind: Identity['kind']
  readonly token: string
  readonly issuedAt: Date
  readonly lifetimeSeconds: number
  /** What was granted of what was asked for, in the same form. */
  readonly scope: string
  readonly refreshToken?: string
}

/** Gives tokens that this registry, and every replica that shares its keys, takes. */
export interface TokenIssuer {
  /** @throws RegistryError UNAUTHORIZED for a grant that is no good; DENIED; TOOMANYREQUESTS; UNAVAILABLE */
  issue(request: TokenRequest): Promise<IssuedToken>
  /** The public keys, as RFC 7517 has them. */
  keySet(): Readonly<Record<string, unknown>>
}

/** Where clients ask for tokens, and where the keys to check them are. */
export const TOKEN_PATH = '/auth/token'
export const KEY_SET_PATH = '/auth/jwks'
