import type { X509Certificate } from 'node:crypto'
import type { RepositoryName } from '../reference.ts'

/** The permissions on a repository. `push` includes tagging; `tag` alone allows tags of manifests that exist
 *  already. */
export const ACTIONS = ['pull', 'push', 'delete', 'tag'] as const
export type Action = (typeof ACTIONS)[number]

/** The client that sends credentials. */
export interface LoginClient {
  /** Its address, from a trusted source. Failed logins are counted by it. */
  readonly address: string
  /** True once it has closed its connection or stream; delays for failed logins end then. */
  readonly hasLeft: boolean
}

/** The credentials of a request. */
export interface Credentials extends LoginClient {
  /** The header `Authorization`, as it was sent. */
  readonly authorization: string | undefined
  /** The verified TLS client certificate, if there is one. */
  readonly certificate?: X509Certificate | undefined
}

/** An authenticated client, or the anonymous one, with its permissions. Synchronous: permissions are decided
 *  from memory. */
export interface Identity {
  readonly kind: 'anonymous' | 'user' | 'robot'
  /** The name in rules and logs; empty for anonymous. */
  readonly name: string
  /** The kind of authentication. Clients with `none` or `token` can be asked for better credentials. */
  readonly proof: 'none' | 'password' | 'key' | 'token' | 'certificate' | 'session'
  /** The id of the personal key by which it has authenticated, also for a token. */
  readonly key?: string | undefined
  /** The owner of the uploads that it starts. Undefined without access control. */
  readonly owner: string | undefined
  may(action: Action, repository: RepositoryName): boolean
  /** True if it may list the catalog, which shows the repositories that it `sees`. */
  readonly mayList: boolean
  sees(repository: RepositoryName): boolean
  /** True if it may see how the registry is. */
  readonly mayOperate: boolean
}

export interface ChallengeOptions {
  /** The required scopes in the token protocol's form: `repository:a/b:pull,push`. */
  readonly scopes: readonly string[]
  /** The error of the token that was sent. RFC 6750 section 3.1. */
  readonly problem?: 'invalid_token' | 'insufficient_scope' | undefined
  /** The registry's origin as the client sees it, such as `https://registry.example.com`. Undefined if the
   *  request doesn't say.
   *  @param scheme the default */
  readonly origin: (scheme: 'http' | 'https') => string | undefined
  /** The prefix of the registry's paths: empty, or `/…`. */
  readonly prefix: string
}

/** The port to authentication. Authorization is the identity's. */
export interface AccessController {
  /** The identity, if it is known without waiting: of credentials that were verified recently, or of none.
   *  Undefined says nothing: `identify` decides. */
  identifyIfCached(credentials: Credentials): Identity | undefined
  /** @throws RegistryError UNAUTHORIZED if the credentials are wrong; TOOMANYREQUESTS; UNAVAILABLE */
  identify(credentials: Credentials): Promise<Identity>
  /** The value of `WWW-Authenticate`. Undefined if there is no way to authenticate. */
  challenge(options: ChallengeOptions): string | undefined
}

/** The identity of every client without access control: everything is allowed. */
export const EVERYBODY: Identity = {
  kind: 'anonymous',
  name: '',
  proof: 'none',
  owner: undefined,
  may: () => true,
  mayList: true,
  mayOperate: true,
  sees: () => true,
}

export const OPEN_TO_ALL: AccessController = {
  identifyIfCached: () => EVERYBODY,
  identify: async () => EVERYBODY,
  challenge: () => undefined,
}
