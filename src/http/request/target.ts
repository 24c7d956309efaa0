import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../../core/errors.ts'

/** Normalizes a request target to a path. RFC 9112 section 3.2.2: a server accepts absolute URLs, and their
 *  host replaces the header's. Section 3.2: more than one `Host` is rejected.
 *  @throws RegistryError REQUEST_INVALID */
export function normalizeTarget(request: IncomingMessage): void {
  if (hostCount(request) > 1) throw new RegistryError('REQUEST_INVALID', { message: 'more than one Host' })
  const { url = '' } = request
  if (url.startsWith('/') || !/^https?:/i.test(url)) return
  const [, authority, rest = ''] = ABSOLUTE.exec(url) ?? []
  if (authority === undefined) throw new RegistryError('REQUEST_INVALID', { message: 'the URL has no host' })
  request.headers.host = authority
  request.url = rest.startsWith('/') ? rest : `/${rest}`
}

/** The authority without user information (RFC 9110 section 4.2.4), the path and the query. */
const ABSOLUTE = /^https?:\/\/([^/?#@]+)((?:[/?].*)?)$/i

function hostCount({ rawHeaders }: IncomingMessage): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count
}

/** The path with single slashes and none at its end; undefined if it has that form already. */
export function cleanPath(path: string): string | undefined {
  const clean = path.replace(/\/{2,}/g, '/').replace(/(?<=.)\/$/, '')
  return clean === path ? undefined : clean
}
