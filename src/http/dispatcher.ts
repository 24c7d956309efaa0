import type { IncomingMessage } from 'node:http'
import { EVERYBODY, type Identity } from '../core/access/access-controller.ts'
import { RegistryError } from '../core/errors.ts'
import type { RequestScope } from '../core/notifications/request-scope.ts'
import type { RequestObserver } from '../core/request-observer.ts'
import type { Authorizer } from './authorizer.ts'
import { unhealthy } from './handlers/probes.ts'
import { ObservedRequest } from './observers/observed-request.ts'
import { locationOf, namesUsableHost } from './reply/location.ts'
import { emptyReply, type Reply } from './reply/reply.ts'
import { awaitsContinue } from './request/body.ts'
import { isEnabled } from './request/is-enabled.ts'
import { preflightReply, refuseConnect, refuseMethod } from './request/method-not-allowed.ts'
import { inNamespace } from './request/namespaces.ts'
import { requestOrigin } from './request/request-origin.ts'
import { type Access, isProbe, PROBES, parseRoute, type Route } from './request/route.ts'
import { cleanPath, normalizeTarget } from './request/target.ts'
import { RequestContext, type ServerContext } from './request-context.ts'
import { type MatchedOperation, pathWithoutQuery, type RequestLifecycle } from './request-lifecycle.ts'
import { operationOf } from './routes.ts'
import type { HttpSettings } from './settings.ts'

export interface DispatcherOptions {
  readonly parts: ServerContext
  readonly authorizer: Authorizer
  readonly observer: RequestObserver | undefined
  readonly scope: RequestScope | undefined
}

/** Finds the operation that a request asks for, and calls its handler if the client may have it. */
export class Dispatcher {
  readonly #parts: ServerContext
  readonly #settings: HttpSettings
  readonly #authorizer: Authorizer
  readonly #observer: RequestObserver | undefined
  readonly #scope: RequestScope | undefined

  constructor({ parts, authorizer, observer, scope }: DispatcherOptions) {
    this.#parts = parts
    this.#settings = parts.settings
    this.#authorizer = authorizer
    this.#observer = observer
    this.#scope = scope
  }

  /** The reply, at once if possible.
   *  @throws RegistryError */
  dispatch(lifecycle: RequestLifecycle): Reply | Promise<Reply> {
    const { request } = lifecycle
    normalizeTarget(request)
    const path = pathOf(request, this.#settings.prefix)
    const parsed = path.includes('//') ? undefined : parseRoute(path)
    if (parsed === undefined) {
      if (request.method === 'CONNECT') return refuseConnect()
      return this.#redirectToClean(path, request)
    }
    if (!namesUsableHost(request, this.#settings)) {
      throw new RegistryError('REQUEST_INVALID', { message: 'the Host is invalid' })
    }
    const route = this.#settings.namespaces === undefined ? parsed : this.#named(parsed, lifecycle)
    if (this.#observer !== undefined && !isProbe(route)) {
      lifecycle.observed = new ObservedRequest(request, {
        observer: this.#observer,
        resource: route.resource,
      })
    }
    if (request.headers.expect !== undefined) awaitsContinue(request)
    if (request.method === 'OPTIONS') return preflightReply(route.resource, this.#settings)
    const operation = operationOf(route.resource, request.method)
    if (operation === undefined || !isEnabled(operation.access, this.#settings)) {
      return refuseMethod(route.resource, this.#settings)
    }
    if (this.#parts.health.failures.size > 0 && operation.access !== 'probe') throw unhealthy()
    if (operation.access === 'probe') return this.#handle(EVERYBODY, { route, operation }, lifecycle)
    lifecycle.matched = { route, operation }
    if (operation.access === 'open') {
      this.#authorizer.count(request)
      return this.#handle(EVERYBODY, lifecycle.matched, lifecycle)
    }
    const identity = this.#authorizer.identifyIfCached(request, operation.access)
    if (identity !== undefined) return this.#admit(identity, lifecycle.matched, lifecycle)
    return this.#authorizer
      .identify(request, operation.access)
      .then((known) => this.#admit(known, lifecycle.matched!, lifecycle))
  }

  /** The route by the names that repositories have here. */
  #named(parsed: Route, { request, response }: RequestLifecycle): Route {
    const { route, namespace } = inNamespace(parsed, request, this.#settings.namespaces!)
    if (namespace !== undefined) response.setHeader('oci-namespace', namespace)
    return route
  }

  /** Redirects to the path without doubled and trailing slashes, if that is a route.
   *  @throws RegistryError PATH_UNKNOWN, NAME_INVALID */
  #redirectToClean(path: string, request: IncomingMessage): Reply {
    const clean = cleanPath(path)
    const { url = '', method } = request
    if (clean === undefined || !IS_PRINTABLE.test(url) || parseRoute(clean) === undefined)
      throw new RegistryError('PATH_UNKNOWN')
    this.#authorizer.count(request)
    const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
    const location = locationOf(clean, request, this.#settings) + query
    return emptyReply(method === 'GET' || method === 'HEAD' ? 301 : 308, { location })
  }

  #admit(identity: Identity, matched: MatchedOperation, lifecycle: RequestLifecycle): Reply | Promise<Reply> {
    lifecycle.identity = identity
    const { route, operation } = matched
    this.#authorizer.admit(
      identity,
      { access: operation.access, repository: route.repository },
      lifecycle.request,
    )
    return this.#handle(identity, matched, lifecycle)
  }

  #handle(
    identity: Identity,
    { route, operation }: MatchedOperation,
    lifecycle: RequestLifecycle,
  ): Reply | Promise<Reply> {
    const { request, response } = lifecycle
    const context = new RequestContext(request, response, { route, parts: this.#parts, identity })
    lifecycle.context = context
    if (this.#scope === undefined || !CHANGES.has(operation.access)) return operation.handle(context)
    const origin = requestOrigin(request, {
      id: lifecycle.id,
      actor: identity.name,
      settings: this.#settings,
    })
    return this.#scope.run(origin, () => operation.handle(context))
  }
}

/** The accesses by which something is changed. */
const CHANGES: ReadonlySet<Access> = new Set<Access>(['push', 'tag', 'delete', 'restore'])

/** Characters that are safe in a header. */
const IS_PRINTABLE = /^[\x21-\x7e]*$/

/** The path behind the prefix, or one that matches no route if it is not below the prefix. Probes have no
 *  prefix. */
function pathOf(request: IncomingMessage, prefix: string): string {
  const path = pathWithoutQuery(request)
  if (prefix === '' || PROBES.has(path)) return path
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : ''
}
