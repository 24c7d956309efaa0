/** The ports to people who log in with a browser. */
import type { Identity, LoginClient } from './access-controller.ts'
import type { Login } from './authorization-header.ts'

/** A person who has logged in. */
export interface Person {
  /** By a password of the registry's own, or by an identity provider. */
  readonly source: 'password' | 'provider'
  readonly name: string
  /** The groups that the identity provider names. */
  readonly groups: readonly string[]
  /** Changes with the password, which ends the sessions; empty for other sources. */
  readonly stamp: string
}

/** The accounts and rights of people, as access control has them. */
export interface People {
  /** True if there are users with passwords. */
  readonly havePasswords: boolean
  /** @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS */
  login(login: Login, client: LoginClient): Promise<Person>
  /** The person's identity with its present rights. Undefined if the account is gone or its password was changed. */
  identityOf(person: Person): Identity | undefined
}

export interface Session {
  readonly identity: Identity
  readonly person: Person
  readonly expiresAt: Date
}

/** A value of a cookie, which only the registry can read. */
export interface SealedCookie {
  readonly value: string
  readonly expiresAt: Date
}

export interface ProviderInfo {
  readonly id: string
  readonly name: string
}

/** Where a login by an identity provider begins. */
export interface LoginBegin {
  readonly location: URL
  readonly cookie: SealedCookie
}

/** Why a login by an identity provider has failed. */
export type LoginFailure = 'denied' | 'failed' | 'expired' | 'unavailable' | 'groups'

export type LoginResult =
  | { readonly cookie: SealedCookie; readonly person: Person; readonly returnTo: string }
  | { readonly failure: LoginFailure; readonly returnTo: string | undefined }

/** The port to sessions. Every replica with the same secret reads them. */
export interface Sessions {
  readonly havePasswords: boolean
  readonly providers: readonly ProviderInfo[]
  /** The session of a cookie that was read recently. Undefined says nothing: `read` decides. */
  readIfCached(cookie: string): Session | undefined
  /** Undefined if the cookie is not a session, or the session has ended. */
  read(cookie: string): Promise<Session | undefined>
  /** @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS */
  login(login: Login, client: LoginClient): Promise<SealedCookie>
  /** Begins a login by an identity provider.
   *  @param redirectUri where the provider leads back to
   *  @throws RegistryError UNAVAILABLE; REQUEST_INVALID if there is no such provider */
  begin(provider: string, options: { redirectUri: string; returnTo: string }): Promise<LoginBegin>
  /** @param current the URL that the provider has led to
   *  @param cookie that of the begin */
  finish(current: URL, cookie: string | undefined): Promise<LoginResult>
}
