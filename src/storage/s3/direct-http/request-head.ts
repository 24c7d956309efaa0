import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { NodeHttpHandler } from '@smithy/node-http-handler'

/** A request that the SDK has signed. */
export type SignedRequest = Parameters<NodeHttpHandler['handle']>[0]

/** Formats the head of a request without a body. RFC 9112 sections 3 (request line) and 5 (field lines). One
 *  byte per character.
 *  @throws TypeError if a header contains invalid characters */
export function formatRequestHead({ method, path, query, headers }: SignedRequest): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return `${name}: ${value}\r\n`
  })
  return `${method} ${path}${formatQuery(query)} HTTP/1.1\r\n${lines.join('')}\r\n`
}

function formatQuery(query: SignedRequest['query'] = {}): string {
  const parts = Object.entries(query).flatMap(([name, values]) =>
    [values].flat().map((value) => (value === null ? encode(name) : `${encode(name)}=${encode(value)}`)),
  )
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
