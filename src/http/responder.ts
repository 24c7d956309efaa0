import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isNoLogin } from '../core/access/authorization-header.ts'
import { RegistryError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { RequestObserver } from '../core/request-observer.ts'
import { printable } from '../lib/printable.ts'
import type { Authorizer } from './authorizer.ts'
import { directBodyOf } from './connection/direct/direct-body.ts'
import type { StallDetector } from './connection/stall-detector.ts'
import { errorFields, isForeseen } from './observers/failure-fields.ts'
import { errorReply, unforeseen } from './reply/errors.ts'
import { type Failure, isWhole, type Reply, type StreamedReply, type WholeReply } from './reply/reply.ts'
import { sendStream, sendWhole } from './reply/send.ts'
import { discardBody, holdsBodyBack, isIncomplete } from './request/body.ts'
import { clientAddress } from './request/client-address.ts'
import { type LifecycleListener, pathWithoutQuery, type RequestLifecycle } from './request-lifecycle.ts'
import type { HttpSettings } from './settings.ts'

export interface ResponderOptions {
  readonly settings: HttpSettings
  readonly log: Log
  readonly authorizer: Authorizer
  readonly stallDetector: StallDetector
  readonly observer: RequestObserver | undefined
  /** Told of the requests that fail. */
  readonly follower: LifecycleListener
}

/** Sends replies, and the replies of errors. */
export class Responder {
  readonly #settings: HttpSettings
  readonly #log: Log
  readonly #authorizer: Authorizer
  readonly #stallDetector: StallDetector
  readonly #observer: RequestObserver | undefined
  readonly #follower: LifecycleListener
  readonly #commonHeaders: OutgoingHttpHeaders
  /** True once connections are to be closed after their responses. */
  isDraining = false

  constructor({ settings, log, authorizer, stallDetector, observer, follower }: ResponderOptions) {
    this.#settings = settings
    this.#log = log
    this.#authorizer = authorizer
    this.#stallDetector = stallDetector
    this.#observer = observer
    this.#follower = follower
    this.#commonHeaders = {
      ...settings.extraHeaders,
      'docker-distribution-api-version': 'registry/2.0',
      'x-content-type-options': 'nosniff',
    }
  }

  /** Turns every error into a reply, in one place, unless part of a response was sent already. Never
   *  throws. */
  fail(error: unknown, lifecycle: RequestLifecycle): void {
    const { request, response, id } = lifecycle
    try {
      if (!response.headersSent) {
        this.send(this.#errorReply(error, lifecycle), lifecycle)
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

  send(reply: WholeReply, lifecycle: RequestLifecycle): void {
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

  stream(reply: StreamedReply, lifecycle: RequestLifecycle): Promise<void> {
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
    if (isIncomplete(request)) discardRest(lifecycle, headers)
    if (this.isDraining) headers.connection = 'close'
    return headers
  }
}

/** Discards the unread body. A client that still waits for `100 Continue` will not send it, so the connection
 *  is closed. */
function discardRest({ request, response }: RequestLifecycle, headers: OutgoingHttpHeaders): void {
  if (holdsBodyBack(request) && !request.readableDidRead) headers.connection = 'close'
  else {
    if (directBodyOf(request) === undefined) keepOpen(request, response)
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
