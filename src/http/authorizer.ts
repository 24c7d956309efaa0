import type { IncomingMessage } from 'node:http'
import type { AccessController, Identity } from '../core/access/access-controller.ts'
import { RegistryError } from '../core/errors.ts'
import { isRepositoryName, type RepositoryName } from '../core/reference.ts'
import { originOf, publicPath } from './reply/location.ts'
import type { WholeReply } from './reply/reply.ts'
import { clientAddress } from './request/client-address.ts'
import { RequestCredentials } from './request/credentials.ts'
import { RequestRate } from './request/request-rate.ts'
import type { Access } from './request/route.ts'
import type { HttpSettings } from './settings.ts'

/** The access that a route needs, and to which repository. */
export interface RequiredAccess {
  readonly access: Access
  readonly repository: RepositoryName | undefined
}

/** Authenticates, then authorizes, before any handler runs. The access that an operation needs stands in the table of
 *  operations. */
export class Authorizer {
  readonly #controller: AccessController
  readonly #settings: HttpSettings
  readonly #rate: RequestRate | undefined

  constructor(controller: AccessController, settings: HttpSettings) {
    this.#controller = controller
    this.#settings = settings
    if (settings.requestsPerSecond > 0) this.#rate = new RequestRate(settings.requestsPerSecond)
  }

  /** The sender of the request, if known without waiting, which nearly all are. */
  identifyIfCached(request: IncomingMessage): Identity | undefined {
    return this.#controller.identifyIfCached(new RequestCredentials(request, this.#settings.trustedProxies))
  }

  /** Authenticates the sender. Failures are counted by address.
   *  @throws RegistryError UNAUTHORIZED, TOOMANYREQUESTS, UNAVAILABLE */
  async identify(request: IncomingMessage): Promise<Identity> {
    const credentials = new RequestCredentials(request, this.#settings.trustedProxies)
    try {
      return await this.#controller.identify(credentials)
    } catch (error) {
      this.#rate?.take(credentials.address)
      throw error
    }
  }

  /** For what looks at the credentials itself: counts the request as one of its address.
   *  @throws RegistryError TOOMANYREQUESTS */
  count(request: IncomingMessage): void {
    this.#rate?.take(clientAddress(request, this.#settings.trustedProxies))
  }

  /** Counts the request as one of its sender.
   *  @throws RegistryError UNAUTHORIZED, DENIED or TOOMANYREQUESTS */
  admit(identity: Identity, required: RequiredAccess, request: IncomingMessage): void {
    if (identity.name === '') this.count(request)
    else this.#rate?.take(`${identity.kind}:${identity.name}`)
    if (!isAdmitted(identity, required, () => this.#challenges)) throw this.#refusal(identity, required)
  }

  /** 401 if other credentials may help, 403 if the sender has proved who they are. */
  #refusal(identity: Identity, required: RequiredAccess): RegistryError {
    const detail = scopeParts(required)
    const mayTryAgain = (identity.proof === 'none' || identity.proof === 'token') && this.#challenges
    return new RegistryError(mayTryAgain ? 'UNAUTHORIZED' : 'DENIED', { detail })
  }

  /** The answer to an error UNAUTHORIZED, with how to do better.
   *  @param identity undefined when the credentials themselves were no good */
  challenged(reply: WholeReply, { request, identity, required }: Challenged): WholeReply {
    const challenge = this.#controller.challenge({
      scopes: [...scopeParts(required), ...mountScopes(request, required)].map(
        ({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`,
      ),
      problem: problemOf(request, identity),
      origin: (scheme) => originOf(request, this.#settings, scheme),
      prefix: publicPath(this.#settings),
    })
    if (challenge === undefined) return reply
    return { ...reply, headers: { ...reply.headers, 'www-authenticate': challenge } }
  }

  /** False if there are no credentials to be had. */
  get #challenges(): boolean {
    return this.#controller.challenge({ scopes: [], origin: () => undefined, prefix: '' }) !== undefined
  }
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
    case 'probe':
      return true
    case 'login':
      // Clients learn here that they have to log in; those that get a 200 never send what they have.
      return identity.proof !== 'none' || !canLogIn()
    case 'catalog':
      return identity.mayList
    case 'tag':
      return repository !== undefined && (identity.may('push', repository) || identity.may('tag', repository))
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

/** In the words of the token protocol; whoever pushes is expected to pull as well.
 *  https://distribution.github.io/distribution/spec/auth/scope/ */
function scopeParts({ access, repository }: RequiredAccess): readonly Scope[] {
  if (access === 'catalog') return [{ type: 'registry', name: 'catalog', actions: ['*'] }]
  if (repository === undefined) return []
  return [{ type: 'repository', name: repository, actions: scopeActions(access) }]
}

/** A mount needs to pull from its source as well. */
function mountScopes({ url = '' }: IncomingMessage, { access }: RequiredAccess): readonly Scope[] {
  if (access !== 'push' || !url.includes('mount=')) return []
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1))
  const from = query.get('from') ?? ''
  if (!query.has('mount') || !isRepositoryName(from)) return []
  return [{ type: 'repository', name: from, actions: ['pull'] }]
}

function scopeActions(access: Access): readonly string[] {
  if (access === 'head') return ['pull']
  return access === 'push' || access === 'tag' ? ['pull', 'push'] : [access]
}

function problemOf({ headers }: IncomingMessage, identity: Identity | undefined) {
  if (identity?.proof === 'token') return 'insufficient_scope'
  const sentToken = identity === undefined && /^bearer /i.test(headers.authorization ?? '')
  return sentToken ? 'invalid_token' : undefined
}
