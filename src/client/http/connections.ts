import type { IncomingHttpHeaders } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { AnswerBody } from './answer-body.ts'

export interface Timing {
  readonly connectMs: number
  /** Until the head of an answer is there. */
  readonly headMs: number
  /** Between two pieces of a body. */
  readonly bodyMs: number
}

export interface ConnectionOptions {
  /** As `tls.connect` takes them. */
  readonly tls: { readonly ca?: string[]; readonly rejectUnauthorized?: boolean }
  readonly timing: Timing
  /** Default: that of the system. */
  readonly lookup?: LookupFunction | undefined
}

/** A chunk belongs to the connection, which may free its memory once it is sent. */
export type RequestBody = string | Uint8Array | AsyncIterable<Uint8Array>

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  /** To be read, dumped or destroyed. */
  readonly body: AnswerBody
}

/** Connections to servers, which are kept for the next request. Redirects are not followed. */
export interface Connections {
  /** @returns the answer, once its head is there
   *  @throws Error with a `code`; what the request's body throws; the signal's reason */
  send(request: HttpRequest): Promise<Answer>
  /** Ends them all. */
  destroy(): Promise<void>
}

export type OpenConnections = (options: ConnectionOptions) => Connections
