import type { IncomingMessage } from 'node:http'
import { originOf } from '../reply/location.ts'
import type { HttpSettings } from '../settings.ts'

/** True if a page of this registry has sent the request, and not one of another site. Fetch Metadata Request
 *  Headers, `Sec-Fetch-Site`; browsers without it send `Origin` with unsafe methods. */
export function isSameOrigin(request: IncomingMessage, settings: HttpSettings): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  const { origin } = request.headers
  return origin !== undefined && origin === originOf(request, settings)
}
