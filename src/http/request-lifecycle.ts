import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../core/access/access-controller.ts'
import type { RequestSpan } from '../core/tracing/tracer.ts'
import type { ObservedRequest } from './observers/observed-request.ts'
import { type Failure, isWhole, type Reply } from './reply/reply.ts'
import type { Route } from './request/route.ts'
import type { RequestContext } from './request-context.ts'
import type { Operation } from './routes.ts'

/** A route and its operation in the table. */
export interface MatchedOperation {
  readonly route: Route
  readonly operation: Operation
}

/** Listens for the end of requests. Must not throw. */
export interface LifecycleListener {
  /** The response was sent, or its connection has closed. */
  closed(): void
  /** The handler has ended too; called once. A handler goes on after its client has left, and its outcome is
   *  known only at its end. */
  ended(lifecycle: RequestLifecycle): void
}

/** A request from its arrival to its end, as the server follows it. `RequestContext` is the handler's
 *  view. */
export class RequestLifecycle {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  matched: MatchedOperation | undefined = undefined
  identity: Identity | undefined = undefined
  /** Set when the operation starts, after authorization. */
  context: RequestContext | undefined = undefined
  /** Start by `performance.now()`, and the peer's address; set only if the access log needs them. */
  startedAt = 0
  remoteAddress: string | undefined = undefined
  /** The client's address, from trusted proxies only; set only if the audit log needs it. */
  clientAddress = ''
  /** Set if the request is traced. */
  span: RequestSpan | undefined = undefined
  /** Set if the request is observed, once its resource is known. */
  observed: ObservedRequest | undefined = undefined
  /** The registry's reply, also if the client has left. */
  answer: Reply | undefined = undefined
  /** True if the registry was stopped and did not wait for this request any longer. */
  isCutOff = false
  #isWorking = false
  #isClosed = false
  #hasEnded = false
  #brokeOff = false
  #follower: LifecycleListener | undefined = undefined

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    this.id = requestId(request)
  }

  /** Sets the listener; only the first one is kept. */
  follow(follower: LifecycleListener): void {
    if (this.#follower !== undefined) return
    this.#follower = follower
    this.response.once('close', () => {
      this.#isClosed = true
      follower.closed()
      if (!this.#isWorking) this.#end()
    })
  }

  /** The reply is not ready yet. */
  workBegins(): void {
    this.#isWorking = true
  }

  workEnds(): void {
    this.#isWorking = false
    if (this.#isClosed) this.#end()
  }

  /** Marks the response as aborted by the registry after its header was sent. */
  breakOff(): void {
    this.#brokeOff = !this.#isClosed
    this.response.destroy()
  }

  /** The failure, if the reply is an error. */
  get failure(): Failure | undefined {
    return this.answer !== undefined && isWhole(this.answer) ? this.answer.failure : undefined
  }

  /** True if the registry aborted the response while the client was connected. */
  get brokeOff(): boolean {
    return this.#brokeOff
  }

  /** True if the client took the whole response, as far as Node knows. */
  get isTaken(): boolean {
    return this.response.writableFinished
  }

  /** The status for logs: 499 if the client did not get the whole response, as in nginx and Distribution; 500
   *  if that was the registry's fault. */
  get status(): number {
    if (this.isTaken) return this.response.statusCode
    return this.#brokeOff ? 500 : CLIENT_LEFT
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#follower?.ended(this)
  }
}

const CLIENT_LEFT = 499

const REQUEST_ID = /^[A-Za-z0-9._:/+=@-]{1,128}$/

/** The client's own request id, if it is fit for a header and a log, otherwise a new one. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

export function pathWithoutQuery({ url = '' }: IncomingMessage): string {
  const mark = url.indexOf('?')
  return mark === -1 ? url : url.slice(0, mark)
}
