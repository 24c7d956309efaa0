import type { UrlMiddleware } from './redirecting-driver.ts'

/** What a URL gets in place of its own. Empty: its own stays. */
export interface RewriteOptions {
  readonly scheme: string
  /** With a port, where it is to have one. */
  readonly host: string
  /** What its path loses, where it begins so. */
  readonly trimPathPrefix: string
}

/** Sends clients to the driver's own URLs, through another host: that of a CDN in front of the storage. Their query, which
 *  may hold a signature, stays. */
export function rewrite(options: RewriteOptions): UrlMiddleware {
  const trimPathPrefix = encoded(options.trimPathPrefix)
  return (next) => async (path, client) => {
    const url = await next(path, client)
    return url && rewritten(url, { ...options, trimPathPrefix })
  }
}

function rewritten(
  { protocol, host: ownHost, pathname, search }: URL,
  { scheme, host, trimPathPrefix }: RewriteOptions,
): URL {
  const url = new URL(`${scheme ? `${scheme}:` : protocol}//${host || ownHost}`)
  url.pathname = pathname.startsWith(trimPathPrefix) ? pathname.slice(trimPathPrefix.length) : pathname
  url.search = search
  return url
}

/** As the path of a URL has it. */
function encoded(prefix: string): string {
  return prefix === '' ? '' : new URL(`http://host/${prefix.replace(/^\//, '')}`).pathname
}
