import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { isWithin } from '../../lib/networks.ts'
import type { HttpSettings } from '../settings.ts'

/** The value of a `Location` header for a path below the prefix. Absolute only if configured; the client's
 *  own host is used only as far as a trusted proxy confirms it. */
export function locationOf(path: string, request: IncomingMessage, settings: HttpSettings): string {
  const prefixed = publicPath(settings) + path
  if (settings.publicUrl !== undefined) return new URL(prefixed, settings.publicUrl).href
  if (settings.relativeUrls) return prefixed
  const origin = originOf(request, settings)
  return origin === undefined ? prefixed : new URL(prefixed, origin).href
}

/** The prefix of `/v2/` as clients see it: the path of the public URL if it has one, else the configured
 *  prefix. Without a trailing slash. */
export function publicPath({ publicUrl, prefix }: HttpSettings): string {
  const path = publicUrl?.pathname.replace(/\/+$/, '') ?? ''
  return path === '' ? prefix : path
}

/** False if locations contain the request's host, and that is invalid. */
export function namesUsableHost(request: IncomingMessage, settings: HttpSettings): boolean {
  if (settings.relativeUrls || settings.publicUrl !== undefined) return true
  return !request.headers.host || originOf(request, settings) !== undefined
}

/** The registry's origin as the client sees it. Undefined if the request has no valid host.
 *  @param plain the scheme of a connection without TLS, if no trusted proxy states another */
export function originOf(
  request: IncomingMessage,
  settings: HttpSettings,
  plain: 'http' | 'https' = 'http',
): string | undefined {
  if (settings.publicUrl !== undefined) return settings.publicUrl.origin
  const forwarded = isTrusted(request, settings) ? forwardedOrigin(request) : {}
  const scheme = forwarded.scheme ?? ((request.socket as Partial<TLSSocket>).encrypted ? 'https' : plain)
  const host = forwarded.host ?? request.headers.host
  if (host === undefined || !HOST.test(host) || !/^https?$/.test(scheme)) return undefined
  const origin = `${scheme}://${host}`
  return URL.canParse(origin) ? origin : undefined
}

/** RFC 3986 section 3.2.2, without user information. */
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/

interface Origin {
  scheme?: string
  host?: string
}

/** The origin in `Forwarded` (RFC 7239) or `X-Forwarded-*`. With several proxies the first value is the
 *  client's view. */
function forwardedOrigin({ headers }: IncomingMessage): Origin {
  const first = (value: string | string[] | undefined) =>
    String(value ?? '')
      .split(',', 1)[0]
      ?.trim() || undefined
  const forwarded = first(headers.forwarded)
  if (forwarded !== undefined) {
    const pairs = forwarded.split(';').map((pair) => pair.trim().split('=', 2) as [string, string?])
    const parameter = (name: string) =>
      pairs.find(([key]) => key.toLowerCase() === name)?.[1]?.replace(/^"(.*)"$/, '$1')
    return { scheme: parameter('proto'), host: parameter('host') }
  }
  return { scheme: first(headers['x-forwarded-proto']), host: first(headers['x-forwarded-host']) }
}

function isTrusted(request: IncomingMessage, { trustedProxies }: HttpSettings): boolean {
  const address = request.socket.remoteAddress
  return address !== undefined && isWithin(trustedProxies, address)
}
