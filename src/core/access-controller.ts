import type { X509Certificate } from 'node:crypto'
import type { RepositoryName } from './reference.ts'

/** What can be done to a repository. `push` is everything that a push does, its tags included; `tag` alone lets a tag
 *  name what is already there. */
export const ACTIONS = ['pull', 'push', 'delete', 'tag'] as const
export type Action = (typeof ACTIONS)[number]

/** What a request says of who sends it. */
export interface Credentials {
  /** The header `Authorization`, as it was sent. */
  readonly authorization: string | undefined
  /** Where the request comes from, as far as that can be trusted: failed logins are counted by it. */
  readonly address: string
  /** Of a client that has proved by TLS whom it belongs to. */
  readonly certificate?: X509Certificate | undefined
}

/** Somebody, or nobody in particular, and what they may do. Nothing here waits: rights are decided from memory. */
export interface Identity {
  readonly kind: 'anonymous' | 'user' | 'robot'
  /** As rules and logs know them; empty for whoever has no name. */
  readonly name: string
  /** What proved it. Better credentials can be asked of whoever sent none and of whoever sent a token. */
  readonly proof: 'none' | 'password' | 'token' | 'certificate'
  /** Uploads that this identity begins are its own. Undefined where everybody is the same to the registry. */
  readonly owner: string | undefined
  may(action: Action, repository: RepositoryName): boolean
  /** True when it may ask for the catalog, which then shows what it `sees`. */
  readonly mayList: boolean
  sees(repository: RepositoryName): boolean
}

export interface ChallengeOptions {
  /** What the request needs, in the token protocol's words: `repository:a/b:pull,push`. */
  readonly scopes: readonly string[]
  /** What is wrong with the token that was sent. RFC 6750 section 3.1. */
  readonly problem?: 'invalid_token' | 'insufficient_scope' | undefined
  /** The registry as its clients see it, such as `https://registry.example.com`; undefined where they don't say.
   *  @param scheme what it is where nothing tells */
  readonly origin: (scheme: 'http' | 'https') => string | undefined
  /** What stands before the registry's paths: empty, or `/…`. */
  readonly prefix: string
}

/** Decides who sent a request. What they may do is the identity's. */
export interface AccessController {
  /** The identity, if it is known without waiting: of credentials that were verified a moment ago, or of none. Undefined says
   *  nothing: `identify` decides. */
  identifyIfCached(credentials: Credentials): Identity | undefined
  /** @throws RegistryError UNAUTHORIZED if the credentials are wrong; TOOMANYREQUESTS; UNAVAILABLE */
  identify(credentials: Credentials): Promise<Identity>
  /** The value of `WWW-Authenticate`; undefined where nobody can prove anything. */
  challenge(options: ChallengeOptions): string | undefined
}

/** Without access control everybody may do everything. */
export const EVERYBODY: Identity = {
  kind: 'anonymous',
  name: '',
  proof: 'none',
  owner: undefined,
  may: () => true,
  mayList: true,
  sees: () => true,
}

export const OPEN_TO_ALL: AccessController = {
  identifyIfCached: () => EVERYBODY,
  identify: async () => EVERYBODY,
  challenge: () => undefined,
}
