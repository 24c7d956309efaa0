import type { IncomingMessage } from 'node:http'
import type { SealedCookie } from '../../core/access/sessions.ts'
import { originOf } from '../reply/location.ts'
import type { HttpSettings } from '../settings.ts'

/** The cookies of people: the session, and a login that waits for an identity provider. */
export type CookieName = 'entrepot' | 'entrepot-login'

/** A request, as the names and flags of cookies depend on it. */
interface CookieContext {
  readonly request: IncomingMessage
  readonly settings: HttpSettings
}

/** A `Set-Cookie`. RFC 6265bis section 4.1.3.2: a name that begins with `__Host-` can't be set by another host of the
 *  domain, or without TLS. `Lax`, because an identity provider leads back here. */
export function setCookie(name: CookieName, cookie: SealedCookie, context: CookieContext): string {
  const seconds = Math.max(0, Math.round((cookie.expiresAt.getTime() - Date.now()) / 1000))
  return `${fullName(name, context)}=${cookie.value}; Max-Age=${seconds}; ${attributes(context)}`
}

export function removeCookie(name: CookieName, context: CookieContext): string {
  return `${fullName(name, context)}=; Max-Age=0; ${attributes(context)}`
}

/** The value of a cookie in the request. */
export function readCookie(name: CookieName, context: CookieContext): string | undefined {
  const header = context.request.headers.cookie
  if (header === undefined) return undefined
  const start = `${fullName(name, context)}=`
  const pair = header
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(start))
  return pair?.slice(start.length)
}

function attributes(context: CookieContext): string {
  return `Path=/; HttpOnly; SameSite=Lax${isSecure(context) ? '; Secure' : ''}`
}

function fullName(name: CookieName, context: CookieContext): string {
  return isSecure(context) ? `__Host-${name}` : name
}

/** By the URL that the browser sees, not by the listener. */
function isSecure({ request, settings }: CookieContext): boolean {
  return originOf(request, settings)?.startsWith('https:') === true
}
