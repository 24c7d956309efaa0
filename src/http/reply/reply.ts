import type { OutgoingHttpHeaders } from 'node:http'
import type { RegistryError } from '../../core/errors.ts'

/** The reply of a handler. The server adds the headers of every response. */
export type Reply = WholeReply | StreamedReply

interface Head {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
}

/** A reply whose body, if it has one, is in memory. */
export interface WholeReply extends Head {
  readonly body?: string | Uint8Array | undefined
  /** The error to log, if the reply is one. */
  readonly failure?: Failure
}

/** An error, and the error reply that its client gets. */
export interface Failure {
  readonly error: RegistryError
  readonly told: readonly { readonly code: string; readonly message: string; readonly detail?: unknown }[]
}

export interface StreamedReply extends Head {
  /** Chunks are valid only until the next one is requested. `content-length` is set if the length is
   *  known. */
  readonly body: AsyncIterable<Uint8Array>
}

export function isWhole(reply: Reply): reply is WholeReply {
  const { body } = reply
  return body === undefined || typeof body === 'string' || body instanceof Uint8Array
}

export function jsonReply(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): WholeReply {
  const body = JSON.stringify(value)
  return {
    status,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    body,
  }
}

export function emptyReply(status: number, headers: OutgoingHttpHeaders = {}): WholeReply {
  // A 204 and a 304 have no Content-Length of their own. RFC 9110 section 8.6.
  return { status, headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': 0 } }
}
