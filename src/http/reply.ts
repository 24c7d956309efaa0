import type { OutgoingHttpHeaders } from 'node:http'

/** What a handler answers. The server adds the headers that every answer carries. */
export interface Reply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  /** Absent for none. A stream's chunks are valid only until the next one is asked for; its length is in the headers. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
}

export function jsonReply(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Reply {
  const body = JSON.stringify(value)
  return {
    status,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    body,
  }
}

export function emptyReply(status: number, headers: OutgoingHttpHeaders = {}): Reply {
  // RFC 9110 section 8.6: a 204 and a 304 carry no Content-Length of their own.
  return { status, headers: status === 204 || status === 304 ? headers : { ...headers, 'content-length': 0 } }
}
