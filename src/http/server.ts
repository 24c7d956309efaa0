import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { SecureContextOptions } from 'node:tls'
import {
  type AccessController,
  EVERYBODY,
  type Identity,
  OPEN_TO_ALL,
} from '../core/access/access-controller.ts'
import type { AuditLog } from '../core/access/audit-log.ts'
import { isNoLogin } from '../core/access/authorization-header.ts'
import type { PersonalKeys } from '../core/access/personal-keys.ts'
import type { Sessions } from '../core/access/sessions.ts'
import type { TokenIssuer } from '../core/access/token-issuer.ts'
import type { CatalogIndex } from '../core/catalog/catalog-index.ts'
import { RegistryError } from '../core/errors.ts'
import { HEALTHY, type Health } from '../core/health.ts'
import type { RepositoryHistory } from '../core/lifecycle/history.ts'
import type { RecordedPulls } from '../core/lifecycle/pulls.ts'
import type { Usage } from '../core/lifecycle/usage.ts'
import type { Log } from '../core/log.ts'
import type { MirrorFigures } from '../core/mirror-figures.ts'
import type { PullObserver } from '../core/notifications/pull-observer.ts'
import type { RequestScope } from '../core/notifications/request-scope.ts'
import type { Operations } from '../core/operations/operations.ts'
import type { Page } from '../core/page/page.ts'
import type { Registry } from '../core/registry.ts'
import type { RequestObserver } from '../core/request-observer.ts'
import type { RequestTracer } from '../core/tracing/tracer.ts'
import { printable } from '../lib/printable.ts'
import { Authorizer } from './authorizer.ts'
import { Listener } from './connection/listener.ts'
import { StallDetector } from './connection/stall-detector.ts'
import type { TlsSettings } from './connection/tls-settings.ts'
import { unhealthy } from './handlers/probes.ts'
import { AccessLog } from './observers/access-log.ts'
import { Audit } from './observers/audit-log.ts'
import { errorFields, isForeseen } from './observers/failure-fields.ts'
import { ObservedRequest } from './observers/observed-request.ts'
import { Pulls } from './observers/pulls.ts'
import { TracedRequests } from './observers/traced-requests.ts'
import { errorReply, unforeseen } from './reply/errors.ts'
import { locationOf, namesUsableHost } from './reply/location.ts'
import {
  emptyReply,
  type Failure,
  isWhole,
  type Reply,
  type StreamedReply,
  type WholeReply,
} from './reply/reply.ts'
import { sendStream, sendWhole } from './reply/send.ts'
import { awaitsContinue, discardBody, hasBody, holdsBodyBack } from './request/body.ts'
import { clientAddress } from './request/client-address.ts'
import { isEnabled } from './request/is-enabled.ts'
import { preflightReply, refuseConnect, refuseMethod } from './request/method-not-allowed.ts'
import { inNamespace } from './request/namespaces.ts'
import { requestOrigin } from './request/request-origin.ts'
import { type Access, isProbe, PROBES, parseRoute, type Route } from './request/route.ts'
import { cleanPath, normalizeTarget } from './request/target.ts'
import { RequestContext, type ServerContext } from './request-context.ts'
import {
  type LifecycleListener,
  type MatchedOperation,
  pathWithoutQuery,
  RequestLifecycle,
} from './request-lifecycle.ts'
import { operationOf } from './routes.ts'
import type { HttpSettings } from './settings.ts'

export interface HttpServerOptions {
  registry: Registry
  settings: HttpSettings
  log: Log
  /** Default: no TLS. */
  tls?: TlsSettings | undefined
  /** Default: no checks. */
  health?: Health
  /** Default: everything is allowed. */
  access?: AccessController
  /** Default: no tokens are issued. */
  issuer?: TokenIssuer | undefined
  /** Default: none. */
  audit?: AuditLog | undefined
  /** Default: none. */
  observer?: RequestObserver | undefined
  /** Default: requests are not traced. */
  tracer?: RequestTracer | undefined
  /** The mirrors, for their list. Default: none. */
  mirrors?: readonly MirrorFigures[] | undefined
  /** The web page. Default: none. */
  page?: Page | undefined
  /** Default: nothing is counted. */
  usage?: Usage | undefined
  /** Default: none are recorded. */
  recordedPulls?: RecordedPulls | undefined
  /** Default: no history is kept. */
  history?: RepositoryHistory | undefined
  /** For people; default: nobody can log in. */
  sessions?: Sessions | undefined
  /** How the registry is; default: it is not known. */
  operations?: Operations | undefined
  /** Keys of people. Default: they can't make any. */
  keys?: PersonalKeys | undefined
  /** Of the registry. Default: empty. */
  version?: string
  /** For search; default: none. */
  index?: CatalogIndex | undefined
  /** Observes pulls. Default: none. */
  pulls?: PullObserver | undefined
  /** In which changes are made, so that decorators of the registry know by whom; default: none. */
  scope?: RequestScope | undefined
}

/** The HTTP server: turns requests into replies, with request ids, logs and error handling. */
export class HttpServer {
  readonly #listener: Listener
  readonly #settings: HttpSettings
  readonly #log: Log
  readonly #health: Health
  readonly #observer: RequestObserver | undefined
  readonly #stallDetector: StallDetector
  readonly #parts: ServerContext
  readonly #authorizer: Authorizer
  readonly #accessLog: AccessLog
  readonly #audit: Audit | undefined
  readonly #pulls: Pulls | undefined
  readonly #traced: TracedRequests | undefined
  readonly #scope: RequestScope | undefined
  /** Called for each request that has ended. */
  readonly #watchers: ((lifecycle: RequestLifecycle) => void)[] = []
  readonly #commonHeaders: OutgoingHttpHeaders
  readonly #running = new Map<RequestLifecycle, Promise<void>>()
  #draining = false

  constructor(options: HttpServerOptions) {
    const { registry, settings, log, observer, tracer, issuer, audit, pulls, scope, tls } = options
    const { health = HEALTHY, access = OPEN_TO_ALL } = options
    const { limits } = settings
    this.#settings = settings
    this.#log = log
    this.#health = health
    this.#observer = observer
    this.#stallDetector = new StallDetector({
      bytesPerSecond: limits.minBytesPerSecond,
      graceSeconds: limits.stallSeconds,
    })
    const {
      mirrors = [],
      page,
      history,
      index,
      recordedPulls,
      usage,
      sessions,
      keys,
      operations,
      version = '',
    } = options
    const shared = { registry, settings, stallDetector: this.#stallDetector, issuer, health }
    const people = { sessions, keys, operations, version }
    this.#parts = { ...shared, ...people, mirrors, page, history, index, pulls: recordedPulls, usage }
    this.#authorizer = new Authorizer(access, settings, sessions)
    this.#accessLog = new AccessLog({ log, isEnabled: settings.accessLog })
    this.#audit = audit && new Audit(audit, settings)
    this.#pulls = pulls && new Pulls(pulls, settings)
    this.#traced = tracer && new TracedRequests(tracer, settings)
    this.#scope = scope
    if (settings.accessLog) this.#watchers.push(this.#accessLog.end)
    if (this.#audit !== undefined) this.#watchers.push(this.#audit.end)
    if (this.#pulls !== undefined) this.#watchers.push(this.#pulls.end)
    if (observer !== undefined) this.#watchers.push((lifecycle) => lifecycle.observed?.end(lifecycle))
    if (this.#traced !== undefined) this.#watchers.push(this.#traced.end)
    this.#commonHeaders = {
      ...settings.extraHeaders,
      'docker-distribution-api-version': 'registry/2.0',
      'x-content-type-options': 'nosniff',
    }
    this.#listener = new Listener({
      limits,
      tls,
      h2c: settings.h2c,
      log,
      onRequest: (request, response) => this.#accept(request, response),
    })
  }

  /** Starts to accept connections; resolves to the address. */
  listen(options: ListenOptions): Promise<AddressInfo | string> {
    return this.#listener.listen(options)
  }

  /** Replaces the certificates for new connections. */
  setSecureContext(lifecycle: SecureContextOptions): void {
    this.#listener.setSecureContext(lifecycle)
  }

  /** Stops accepting and drains running requests; those that exceed the time are aborted. Nothing calls the
   *  registry afterwards, unless storage hangs. */
  async close(drainMs: number): Promise<void> {
    this.#draining = true
    const closed = this.#listener.close()
    const cutOff = setTimeout(() => this.#cutOff(), drainMs)
    await closed
    clearTimeout(cutOff)
    await this.#settle()
    // Logs unfinished requests with what is known of them now.
    for (const lifecycle of this.#running.keys()) lifecycle.workEnds()
    this.#stallDetector.close()
  }

  #cutOff(): void {
    for (const lifecycle of this.#running.keys()) lifecycle.isCutOff = true
    this.#listener.cutOff()
  }

  /** Waits for handlers to release what they hold after their connections have closed. */
  async #settle(): Promise<void> {
    const patience = new AbortController()
    const limit = delay(SETTLE_MS, undefined, { signal: patience.signal }).catch(() => {})
    await Promise.race([Promise.all(this.#running.values()), limit])
    patience.abort()
  }

  /** Handles pipelined requests in turn (RFC 9112 section 9.3.2). Those still queued when the connection
   *  closes are dropped. */
  #accept(request: IncomingMessage, response: ServerResponse): void {
    if (response.socket !== null) this.#begin(request, response)
    else response.once('socket', () => this.#begin(request, response))
  }

  /** Handles one request. Errors end here, in `#serve` or in the listener: as a response, or as the end of
   *  this request alone. */
  #begin(request: IncomingMessage, response: ServerResponse): void {
    const lifecycle = new RequestLifecycle(request, response)
    lifecycle.span = this.#traced?.begin(lifecycle)
    if (lifecycle.span === undefined) this.#answer(lifecycle)
    else lifecycle.span.run(() => this.#answer(lifecycle))
  }

  #answer(lifecycle: RequestLifecycle): void {
    try {
      this.#watch(lifecycle)
      // Synchronous if possible: most responses need no promise and are sent before the next request is read.
      const reply = this.#dispatch(lifecycle)
      if (isAtHand(reply)) this.#send(reply, lifecycle)
      else this.#sendLater(reply, lifecycle)
    } catch (error) {
      this.#fail(error, lifecycle)
    }
  }

  #watch(lifecycle: RequestLifecycle): void {
    if (this.#watchers.length === 0) return
    lifecycle.follow(this.#follower)
    if (this.#accessLog.isEnabled) this.#accessLog.begin(lifecycle)
    this.#audit?.begin(lifecycle)
    this.#pulls?.begin(lifecycle)
  }

  /** Notifies the watchers of a request, in one place, once its handler and its response have ended. */
  readonly #follower: LifecycleListener = {
    closed: () => {
      // Its header may have been sent before the draining began, with keep-alive.
      if (this.#draining) this.#listener.closeIdleConnections()
    },
    ended: (lifecycle) => {
      for (const tell of this.#watchers) this.#tell(tell, lifecycle)
      if (!this.#accessLog.isEnabled) this.#tell(this.#accessLog.end, lifecycle)
    },
  }

  /** Calls a watcher; its errors affect nothing else. */
  #tell(tell: (lifecycle: RequestLifecycle) => void, lifecycle: RequestLifecycle): void {
    const { span } = lifecycle
    try {
      if (span === undefined) tell(lifecycle)
      else span.run(() => tell(lifecycle))
    } catch (error) {
      this.#log.error({ 'http.request.id': lifecycle.id, err: error }, 'a request could not be logged')
    }
  }

  #sendLater(reply: Reply | Promise<Reply>, lifecycle: RequestLifecycle): void {
    lifecycle.workBegins()
    const work = this.#serve(reply, lifecycle).finally(() => {
      this.#running.delete(lifecycle)
      lifecycle.workEnds()
    })
    this.#running.set(lifecycle, work)
    lifecycle.follow(this.#follower)
    const { socket } = lifecycle.request
    // A timeout of the response, not of the server, so that keepAliveTimeout still applies between requests.
    const stallMs = this.#settings.limits.stallSeconds * 1000
    lifecycle.response.setTimeout(stallMs, () => this.#stallDetector.endIfWaiting(socket))
  }

  /** Never rejects. */
  async #serve(reply: Reply | Promise<Reply>, lifecycle: RequestLifecycle): Promise<void> {
    try {
      const ready = await reply
      if (isWhole(ready)) this.#send(ready, lifecycle)
      else await this.#stream(ready, lifecycle)
    } catch (error) {
      this.#fail(error, lifecycle)
    }
  }

  #dispatch(lifecycle: RequestLifecycle): Reply | Promise<Reply> {
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
    if (this.#health.failures.size > 0 && operation.access !== 'probe') throw unhealthy()
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

  /** Turns every error into a reply, in one place, unless part of a response was sent already. Never
   *  throws. */
  #fail(error: unknown, lifecycle: RequestLifecycle): void {
    const { request, response, id } = lifecycle
    try {
      if (!response.headersSent) {
        this.#send(this.#errorReply(error, lifecycle), lifecycle)
        return
      }
      const where = {
        'http.request.id': id,
        'http.request.method': request.method,
        'http.request.uri': printable(pathWithoutQuery(request)),
      }
      this.#log.error({ ...where, ...errorFields(error) }, 'a response was aborted')
    } catch (failure) {
      this.#log.error({ 'http.request.id': id, err: failure }, 'a response could not be sent')
    }
    // Closed before the promised length, so that the client notices.
    lifecycle.breakOff()
  }

  #errorReply(error: unknown, lifecycle: RequestLifecycle): WholeReply {
    const { request, id } = lifecycle
    if (error instanceof RegistryError) {
      return error.code === 'UNAUTHORIZED' ? this.#challenged(error, lifecycle) : errorReply(error)
    }
    if (isForeseen(error)) return errorReply(new RegistryError('UNKNOWN', { cause: error }))
    const where = { 'http.request.id': id, 'http.request.method': request.method }
    this.#log.error({ ...where, err: error }, 'a request failed')
    return errorReply(unforeseen)
  }

  #challenged(error: RegistryError, { request, identity, matched }: RequestLifecycle): WholeReply {
    const { access = 'login', repository } = { ...matched?.operation, ...matched?.route }
    return this.#authorizer.challenged(errorReply(error), {
      request,
      identity,
      required: { access, repository },
    })
  }

  #send(reply: WholeReply, lifecycle: RequestLifecycle): void {
    lifecycle.observed?.sendsWhole(reply)
    if (reply.failure !== undefined) this.#fails(reply.failure, lifecycle)
    sendWhole(lifecycle.response, { ...reply, headers: this.#headers(reply, lifecycle) }, this.#stallDetector)
  }

  /** Logs rejections and failures, also without an access log. */
  #fails({ error }: Failure, lifecycle: RequestLifecycle): void {
    const { request, identity, context } = lifecycle
    lifecycle.remoteAddress ??= request.socket.remoteAddress
    lifecycle.clientAddress ||= clientAddress(request, this.#settings.trustedProxies)
    lifecycle.follow(this.#follower)
    const isLogin = context !== undefined || !isNoLogin(request.headers.authorization)
    if (error.code === 'UNAUTHORIZED' && identity === undefined && isLogin) this.#observer?.loginFailed?.()
  }

  #stream(reply: StreamedReply, lifecycle: RequestLifecycle): Promise<void> {
    const body = lifecycle.observed?.counted(reply.body) ?? reply.body
    return sendStream(
      lifecycle.response,
      { ...reply, body, headers: this.#headers(reply, lifecycle) },
      this.#stallDetector,
    )
  }

  /** The headers of the reply and of every response. */
  #headers(reply: Reply, lifecycle: RequestLifecycle): OutgoingHttpHeaders {
    const { request, id } = lifecycle
    // A whole reply is the outcome, even if it can't be sent; a streamed one can still fail.
    if (lifecycle.answer === undefined || !isWhole(lifecycle.answer)) lifecycle.answer = reply
    const headers: OutgoingHttpHeaders = { ...this.#commonHeaders, ...reply.headers, 'x-request-id': id }
    if (!request.complete && hasBody(request)) discardRest(lifecycle, headers)
    if (this.#draining) headers.connection = 'close'
    return headers
  }
}

function isAtHand(reply: Reply | Promise<Reply>): reply is WholeReply {
  return !(reply instanceof Promise) && isWhole(reply)
}

/** The accesses by which something is changed. */
const CHANGES: ReadonlySet<Access> = new Set<Access>(['push', 'tag', 'delete', 'restore'])

/** Characters that are safe in a header. */
const IS_PRINTABLE = /^[\x21-\x7e]*$/

/** Time for handlers whose connections are closed. */
const SETTLE_MS = 2_000

/** The path behind the prefix, or one that matches no route if it is not below the prefix. Probes have no
 *  prefix. */
function pathOf(request: IncomingMessage, prefix: string): string {
  const path = pathWithoutQuery(request)
  if (prefix === '' || PROBES.has(path)) return path
  return path.startsWith(`${prefix}/`) ? path.slice(prefix.length) : ''
}

/** Discards the unread body. A client that still waits for `100 Continue` will not send it, so the connection
 *  is closed. */
function discardRest({ request, response }: RequestLifecycle, headers: OutgoingHttpHeaders): void {
  if (holdsBodyBack(request) && !request.readableDidRead) headers.connection = 'close'
  else {
    keepOpen(request, response)
    discardBody(request)
  }
}

/** Keeps the connection open until the body has arrived. With `Connection: close` Node would close it once
 *  the response is sent, while the client still sends. */
function keepOpen(request: IncomingMessage, response: ServerResponse): void {
  if (response.shouldKeepAlive !== false) return
  response.shouldKeepAlive = true
  request.once('end', () => request.socket.end())
}
