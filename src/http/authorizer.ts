import type { IncomingMessage } from 'node:http'
import type { AccessController, Identity } from '../core/access/access-controller.ts'
import { isNoLogin } from '../core/access/authorization-header.ts'
import type { Sessions } from '../core/access/sessions.ts'
import { RegistryError } from '../core/errors.ts'
import { isRepositoryName, type RepositoryName } from '../core/reference.ts'
import { originOf, publicPath } from './reply/location.ts'
import type { WholeReply } from './reply/reply.ts'
import { clientAddress } from './request/client-address.ts'
import { RequestCredentials } from './request/credentials.ts'
import { RequestRate } from './request/request-rate.ts'
import type { Access } from './request/route.ts'
import { readCookie } from './session/cookies.ts'
import { isSameOrigin } from './session/same-origin.ts'
import type { HttpSettings } from './settings.ts'

/** The access that a route needs, and to which repository. */
export interface RequiredAccess {
  readonly access: Access
  readonly repository: RepositoryName | undefined
}

/** Authenticates, then authorizes, before any handler runs. The table of operations states the access each
 *  one needs. */
export class Authorizer {
  readonly #controller: AccessController
  readonly #settings: HttpSettings
  readonly #rate: RequestRate | undefined
  /** Undefined if people can't log in. */
  readonly #sessions: Sessions | undefined

  constructor(controller: AccessController, settings: HttpSettings, sessions?: Sessions) {
    this.#sessions = sessions
    this.#controller = controller
    this.#settings = settings
    if (settings.requestsPerSecond > 0) this.#rate = new RequestRate(settings.requestsPerSecond)
  }

  /** The client's identity, if it is cached or anonymous, as for nearly all requests. */
  identifyIfCached(request: IncomingMessage, access: Access): Identity | undefined {
    const cookie = this.#sessions === undefined ? undefined : this.#sessionCookie(request, access)
    if (cookie !== undefined) return this.#sessions?.readIfCached(cookie)?.identity
    return this.#controller.identifyIfCached(new RequestCredentials(request, this.#settings.trustedProxies))
  }

  /** Authenticates the client. Failed logins are counted by address.
   *  @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS, UNAVAILABLE */
  async identify(request: IncomingMessage, access: Access): Promise<Identity> {
    const cookie = this.#sessionCookie(request, access)
    const session = cookie === undefined ? undefined : await this.#sessions?.read(cookie)
    if (session !== undefined) return session.identity
    const credentials = new RequestCredentials(request, this.#settings.trustedProxies)
    try {
      return await this.#controller.identify(credentials)
    } catch (error) {
      this.#rate?.take(credentials.address)
      throw error
    }
  }

  /** The cookie of a session, where it counts: never for uploads, and for changes only from a page of this registry.
   *  Credentials in a header prevail.
   *  @throws RegistryError DENIED if another site's page sends it */
  #sessionCookie(request: IncomingMessage, access: Access): string | undefined {
    const { headers, method } = request
    if (this.#sessions === undefined || headers.cookie === undefined) return undefined
    if (!SESSION_ACCESS.has(access) || !isNoLogin(headers.authorization)) return undefined
    const cookie = readCookie('entrepot', { request, settings: this.#settings })
    if (cookie === undefined || method === 'GET' || method === 'HEAD') return cookie
    if (isSameOrigin(request, this.#settings)) return cookie
    throw new RegistryError('DENIED', { message: 'the request does not come from a page of this registry' })
  }

  /** Counts a request against its address's rate, for operations that check credentials themselves.
   *  @throws RegistryError TOOMANYREQUESTS */
  count(request: IncomingMessage): void {
    this.#rate?.take(clientAddress(request, this.#settings.trustedProxies))
  }

  /** Authorizes a request, and counts it against the client's rate.
   *  @throws RegistryError UNAUTHORIZED, DENIED or TOOMANYREQUESTS */
  admit(identity: Identity, required: RequiredAccess, request: IncomingMessage): void {
    if (identity.name === '') this.count(request)
    else this.#rate?.take(`${identity.kind}:${identity.name}`)
    if (!isAdmitted(identity, required, () => this.#challenges)) throw this.#refusal(identity, required)
  }

  /** 401 if other credentials may help, 403 if the client is authenticated. */
  #refusal(identity: Identity, required: RequiredAccess): RegistryError {
    const detail = scopeParts(required)
    const mayTryAgain = (identity.proof === 'none' || identity.proof === 'token') && this.#challenges
    return new RegistryError(mayTryAgain ? 'UNAUTHORIZED' : 'DENIED', { detail })
  }

  /** Adds `WWW-Authenticate` to the reply to an UNAUTHORIZED error.
   *  @param identity undefined if the credentials were invalid */
  challenged(reply: WholeReply, { request, identity, required }: Challenged): WholeReply {
    const challenge = this.#controller.challenge({
      scopes: [...scopeParts(required), ...mountScopes(request, required)].map(
        ({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`,
      ),
      problem: problemOf(request, identity),
      origin: (scheme) => originOf(request, this.#settings, scheme),
      prefix: publicPath(this.#settings),
    })
    if (challenge === undefined || isFetchOfPage(request)) return reply
    return { ...reply, headers: { ...reply.headers, 'www-authenticate': challenge } }
  }

  /** False if no way to authenticate is configured. */
  get #challenges(): boolean {
    return this.#controller.challenge({ scopes: [], origin: () => undefined, prefix: '' }) !== undefined
  }
}

/** What a session is good for. */
const SESSION_ACCESS: ReadonlySet<Access> = new Set<Access>([
  ...(['pull', 'head', 'delete', 'restore'] as const),
  ...(['catalog', 'login', 'operate', 'keys', 'anybody'] as const),
])

/** The registry's page asks for a login by itself; a challenge would make the browser ask. */
function isFetchOfPage({ headers }: IncomingMessage): boolean {
  return headers['sec-fetch-site'] === 'same-origin' && headers['sec-fetch-mode'] !== 'navigate'
}

export interface Challenged {
  readonly request: IncomingMessage
  readonly identity: Identity | undefined
  readonly required: RequiredAccess
}

function isAdmitted(
  identity: Identity,
  { access, repository }: RequiredAccess,
  canLogIn: () => boolean,
): boolean {
  switch (access) {
    case 'open':
    case 'anybody':
    case 'probe':
      return true
    case 'login':
      // Clients log in only after a 401; after a 200 they never send their credentials.
      return identity.proof !== 'none' || !canLogIn()
    case 'catalog':
      return identity.mayList
    case 'operate':
      return identity.mayOperate
    case 'keys':
      return identity.kind === 'user' && (identity.proof === 'session' || identity.proof === 'password')
    case 'tag':
      return repository !== undefined && (identity.may('push', repository) || identity.may('tag', repository))
    case 'restore':
      return (
        repository !== undefined && identity.may('push', repository) && identity.may('delete', repository)
      )
    case 'head':
      return (
        repository !== undefined && (identity.may('pull', repository) || identity.may('push', repository))
      )
    default:
      return repository !== undefined && identity.may(access, repository)
  }
}

interface Scope {
  readonly type: 'repository' | 'registry'
  readonly name: string
  readonly actions: readonly string[]
}

/** The required scopes of the token protocol. A push includes a pull.
 *  https://distribution.github.io/distribution/spec/auth/scope/ */
function scopeParts({ access, repository }: RequiredAccess): readonly Scope[] {
  if (access === 'catalog' || access === 'operate')
    return [{ type: 'registry', name: 'catalog', actions: ['*'] }]
  if (repository === undefined) return []
  return [{ type: 'repository', name: repository, actions: scopeActions(access) }]
}

/** The scopes of a mount, which also pulls from its source. */
function mountScopes({ url = '' }: IncomingMessage, { access }: RequiredAccess): readonly Scope[] {
  if (access !== 'push' || !url.includes('mount=')) return []
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1))
  const from = query.get('from') ?? ''
  if (!query.has('mount') || !isRepositoryName(from)) return []
  return [{ type: 'repository', name: from, actions: ['pull'] }]
}

function scopeActions(access: Access): readonly string[] {
  if (access === 'head') return ['pull']
  if (access === 'restore') return ['pull', 'push', 'delete']
  return access === 'push' || access === 'tag' ? ['pull', 'push'] : [access]
}

function problemOf({ headers }: IncomingMessage, identity: Identity | undefined) {
  if (identity?.proof === 'token') return 'insufficient_scope'
  const sentToken = identity === undefined && /^bearer /i.test(headers.authorization ?? '')
  return sentToken ? 'invalid_token' : undefined
}
