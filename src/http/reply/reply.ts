import type { OutgoingHttpHeaders } from 'node:http'
import type { RegistryError } from '../../core/errors.ts'

/** What a handler answers. The server adds the headers that every answer carries. */
export type Reply = WholeReply | StreamedReply

interface Head {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
}

/** A reply whose body, if it has one, is in memory. */
export interface WholeReply extends Head {
  readonly body?: string | Uint8Array | undefined
  /** Of a reply that tells of an error: what the log is to say. */
  readonly failure?: Failure
}

/** An error, and the words in which its client is told of it and of those found with it. */
export interface Failure {
  readonly error: RegistryError
  readonly told: readonly { readonly code: string; readonly message: string; readonly detail?: unknown }[]
}

export interface StreamedReply extends Head {
  /** Its chunks are valid only until the next one is asked for; its length is in the headers where it is known. */
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
  // RFC 9110 section 8.6: a 204 and a 304 carry no Content-Length of their own.
  return { status, headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': 0 } }
}
