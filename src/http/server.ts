import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { SecureContextOptions } from 'node:tls'
import { type AccessController, OPEN_TO_ALL } from '../core/access/access-controller.ts'
import type { AuditLog } from '../core/access/audit-log.ts'
import type { PersonalKeys } from '../core/access/personal-keys.ts'
import type { Sessions } from '../core/access/sessions.ts'
import type { TokenIssuer } from '../core/access/token-issuer.ts'
import type { CatalogIndex } from '../core/catalog/catalog-index.ts'
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
import { TransientMap } from '../lib/collections/transient.ts'
import type { SharedMemory } from '../lib/shared-memory/shared-memory.ts'
import { Authorizer } from './authorizer.ts'
import { Listener } from './connection/listener.ts'
import { StallDetector } from './connection/stall-detector.ts'
import type { TlsSettings } from './connection/tls-settings.ts'
import { Dispatcher } from './dispatcher.ts'
import { Watchers } from './observers/watchers.ts'
import { isWhole, type Reply, type WholeReply } from './reply/reply.ts'
import type { ServerContext } from './request-context.ts'
import { RequestLifecycle } from './request-lifecycle.ts'
import { Responder } from './responder.ts'
import type { HttpSettings } from './settings.ts'

export interface HttpServerOptions {
  registry: Registry
  settings: HttpSettings
  log: Log
  /** Where the bodies of uploads arrive, if the registry can use it. Default: anywhere. */
  memory?: SharedMemory | undefined
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
  readonly #stallDetector: StallDetector
  readonly #stallMs: number
  readonly #watchers: Watchers
  readonly #dispatcher: Dispatcher
  readonly #responder: Responder
  readonly #running = new TransientMap<RequestLifecycle, Promise<void>>()

  constructor(options: HttpServerOptions) {
    const { settings, log, observer, tracer, audit, pulls, scope, tls, sessions } = options
    const { limits } = settings
    this.#stallMs = limits.stallSeconds * 1000
    const stallDetector = new StallDetector({
      bytesPerSecond: limits.minBytesPerSecond,
      graceSeconds: limits.stallSeconds,
    })
    this.#stallDetector = stallDetector
    const onClosed = () => this.#closed()
    this.#watchers = new Watchers({ settings, log, audit, pulls, observer, tracer, onClosed })
    const { follower } = this.#watchers
    const authorizer = new Authorizer(options.access ?? OPEN_TO_ALL, settings, sessions)
    const parts = partsOf(options, stallDetector)
    this.#dispatcher = new Dispatcher({ parts, authorizer, observer, scope })
    this.#responder = new Responder({ settings, log, authorizer, stallDetector, observer, follower })
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
    this.#responder.isDraining = true
    const closed = this.#listener.close()
    const cutOff = setTimeout(() => this.#cutOff(), drainMs)
    await closed
    clearTimeout(cutOff)
    await this.#settle()
    // Logs unfinished requests with what is known of them now.
    for (const lifecycle of this.#running.keys()) lifecycle.workEnds()
    this.#stallDetector.close()
  }

  /** A header may have been sent before the draining began, with keep-alive. */
  #closed(): void {
    if (this.#responder.isDraining) this.#listener.closeIdleConnections()
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
    this.#watchers.trace(lifecycle)
    if (lifecycle.span === undefined) this.#answer(lifecycle)
    else lifecycle.span.run(() => this.#answer(lifecycle))
  }

  #answer(lifecycle: RequestLifecycle): void {
    try {
      this.#watchers.watch(lifecycle)
      // Synchronous if possible: most responses need no promise and are sent before the next request is read.
      const reply = this.#dispatcher.dispatch(lifecycle)
      if (isAtHand(reply)) this.#responder.send(reply, lifecycle)
      else this.#sendLater(reply, lifecycle)
    } catch (error) {
      this.#responder.fail(error, lifecycle)
    }
  }

  #sendLater(reply: Reply | Promise<Reply>, lifecycle: RequestLifecycle): void {
    lifecycle.workBegins()
    const work = this.#serve(reply, lifecycle).finally(() => {
      this.#running.delete(lifecycle)
      lifecycle.workEnds()
    })
    this.#running.set(lifecycle, work)
    lifecycle.follow(this.#watchers.follower)
    const { socket } = lifecycle.request
    // A timeout of the response, not of the server, so that keepAliveTimeout still applies between requests.
    lifecycle.response.setTimeout(this.#stallMs, () => this.#stallDetector.endIfWaiting(socket))
  }

  /** Never rejects. */
  async #serve(reply: Reply | Promise<Reply>, lifecycle: RequestLifecycle): Promise<void> {
    try {
      const ready = await reply
      if (isWhole(ready)) this.#responder.send(ready, lifecycle)
      else await this.#responder.stream(ready, lifecycle)
    } catch (error) {
      this.#responder.fail(error, lifecycle)
    }
  }
}

function isAtHand(reply: Reply | Promise<Reply>): reply is WholeReply {
  return !(reply instanceof Promise) && isWhole(reply)
}

/** What handlers use. */
function partsOf(options: HttpServerOptions, stallDetector: StallDetector): ServerContext {
  const { registry, settings, issuer, health = HEALTHY } = options
  const { sessions, keys, operations, version = '' } = options
  const { mirrors = [], page, history, index, recordedPulls: pulls, usage } = options
  const shared = { registry, settings, stallDetector, memory: options.memory, issuer, health }
  const people = { sessions, keys, operations, version }
  return { ...shared, ...people, mirrors, page, history, index, pulls, usage }
}

/** Time for handlers whose connections are closed. */
const SETTLE_MS = 2_000
