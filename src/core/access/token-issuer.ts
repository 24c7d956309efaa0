import type { Identity, LoginClient } from './access-controller.ts'

/** The credentials for a token. */
export type TokenGrant =
  /** The header `Authorization` with a password, or none for anonymous. */
  | { readonly kind: 'header'; readonly authorization: string | undefined }
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'refresh'; readonly token: string }
  /** A token of another issuer, such as the platform of a CI job. */
  | { readonly kind: 'exchange'; readonly token: string }

export interface TokenRequest {
  readonly grant: TokenGrant
  /** The audience. Default: this registry. */
  readonly service: string | undefined
  /** Requested scopes, each `repository:a/b:pull,push`, or several separated by spaces. */
  readonly scopes: readonly string[]
  /** True if a refresh token is requested too. */
  readonly offline: boolean
  readonly client: LoginClient
}

export interface IssuedToken {
  /** The subject; empty for anonymous. */
  readonly name: string
  readonly kind: Identity['kind']
  /** The id of the personal key that the token was issued for. */
  readonly key?: string | undefined
  readonly token: string
  readonly issuedAt: Date
  readonly lifetimeSeconds: number
  /** The granted scopes, in the form of the requested ones. */
  readonly scope: string
  readonly refreshToken?: string
}

/** The port to the registry's own token issuer. Every replica with the same keys accepts its tokens. */
export interface TokenIssuer {
  /** @throws RegistryError UNAUTHORIZED if the grant is invalid; DENIED; TOOMANYREQUESTS; UNAVAILABLE */
  issue(request: TokenRequest): Promise<IssuedToken>
  /** The public keys as a JWK Set. RFC 7517 section 5. */
  keySet(): Readonly<Record<string, unknown>>
}

/** Paths of the token endpoint and of its public keys. */
export const TOKEN_PATH = '/auth/token'
export const KEY_SET_PATH = '/auth/jwks'
