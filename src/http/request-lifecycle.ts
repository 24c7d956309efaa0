import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../core/access/access-controller.ts'
import type { ObservedRequest } from './observers/observed-request.ts'
import { type Failure, isWhole, type Reply } from './reply/reply.ts'
import type { Route } from './request/route.ts'
import type { RequestContext } from './request-context.ts'
import type { Operation } from './routes.ts'

/** The route of a request, and its operation in the table. */
export interface MatchedOperation {
  readonly route: Route
  readonly operation: Operation
}

/** Listens for the end of requests. Must not throw. */
export interface LifecycleListener {
  /** The answer has gone out, or its connection. */
  closed(): void
  /** And the work has ended as well; told once. A handler goes on when its client has left, and only its end tells who asked
   *  and what came of it. */
  ended(lifecycle: RequestLifecycle): void
}

/** A request from its arrival to its end, as the server follows it; `RequestContext` is what a handler sees of it. */
export class RequestLifecycle {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  matched: MatchedOperation | undefined = undefined
  identity: Identity | undefined = undefined
  /** Made when the operation begins: whoever asks was allowed to. */
  context: RequestContext | undefined = undefined
  /** When it began, by `performance.now()`, and the other end of its connection: kept where the access log wants them. */
  startedAt = 0
  remoteAddress: string | undefined = undefined
  /** Where it comes from, as far as that can be trusted: kept where the audit log wants it. */
  clientAddress = ''
  /** Where somebody is told of it, once its resource is known. */
  observed: ObservedRequest | undefined = undefined
  /** What the registry answered, even if the client has left. */
  answer: Reply | undefined = undefined
  /** The registry stops, and has waited for it long enough. */
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

  /** From now on this one is told. */
  follow(follower: LifecycleListener): void {
    if (this.#follower !== undefined) return
    this.#follower = follower
    this.response.once('close', () => {
      this.#isClosed = true
      follower.closed()
      if (!this.#isWorking) this.#end()
    })
  }

  /** The answer is not known at once. */
  workBegins(): void {
    this.#isWorking = true
  }

  workEnds(): void {
    this.#isWorking = false
    if (this.#isClosed) this.#end()
  }

  /** The registry can't go on with an answer that has begun. */
  breakOff(): void {
    this.#brokeOff = !this.#isClosed
    this.response.destroy()
  }

  /** What the registry answered where that was an error. */
  get failure(): Failure | undefined {
    return this.answer !== undefined && isWhole(this.answer) ? this.answer.failure : undefined
  }

  /** The registry has broken off its answer while the client was there to take it. */
  get brokeOff(): boolean {
    return this.#brokeOff
  }

  /** The client took the whole answer, as far as can be known. */
  get isTaken(): boolean {
    return this.response.writableFinished
  }

  /** What the client was answered: 499 when it did not get the whole answer, as nginx and Distribution have it, and 500
   *  when that was the registry's fault. */
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

/** The client's own id where it has one that is fit for a header and a log. */
function requestId(request: IncomingMessage): string {
  const given = request.headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

export function pathWithoutQuery({ url = '' }: IncomingMessage): string {
  const mark = url.indexOf('?')
  return mark === -1 ? url : url.slice(0, mark)
}
