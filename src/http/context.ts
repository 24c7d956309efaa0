import { randomUUID } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Identity } from '../core/access-controller.ts'
import type { Log } from '../core/log.ts'
import type { Exchange } from './exchange.ts'
import type { ObservedRequest } from './observed-request.ts'
import type { Operation, Route } from './routes.ts'

/** An operation of the table, on what the path names. */
export interface WantedOperation {
  readonly route: Route
  readonly operation: Operation
}

/** What becomes known of a request on its way. */
export class Context {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  wanted: WantedOperation | undefined = undefined
  identity: Identity | undefined = undefined
  exchange: Exchange | undefined = undefined
  /** Where somebody is told of it, once its resource is known. */
  observed: ObservedRequest | undefined = undefined
  /** The headers of the answer. */
  answered: OutgoingHttpHeaders = NO_HEADERS
  readonly #log: Log
  #closing: (() => void)[] | undefined

  constructor(request: IncomingMessage, response: ServerResponse, log: Log) {
    this.request = request
    this.response = response
    this.id = requestId(request)
    this.#log = log
  }

  /** Calls when the answer has gone out, or its connection. What fails then ends nothing else. */
  whenClosed(task: () => void): void {
    if (this.#closing !== undefined) {
      this.#closing.push(task)
      return
    }
    const tasks = [task]
    this.#closing = tasks
    this.response.once('close', () => this.#close(tasks))
  }

  #close(tasks: readonly (() => void)[]): void {
    for (const task of tasks) {
      try {
        task()
      } catch (error) {
        this.#log.error({ requestId: this.id, err: error }, 'a request could not be accounted for')
      }
    }
  }
}

const NO_HEADERS: OutgoingHttpHeaders = {}

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
