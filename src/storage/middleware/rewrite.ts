import type { UrlMiddleware } from './redirecting-driver.ts'

/** Replacements for parts of a URL; empty ones keep the part. */
export interface RewriteOptions {
  readonly scheme: string
  /** With a port, if needed. */
  readonly host: string
  /** Removed from the beginning of the path. */
  readonly trimPathPrefix: string
}

/** Redirects clients to the driver's own URLs on another host: a CDN in front of the storage. The query,
 *  which may contain a signature, is kept. */
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

/** The prefix, encoded as in a URL. */
function encoded(prefix: string): string {
  return prefix === '' ? '' : new URL(`http://host/${prefix.replace(/^\//, '')}`).pathname
}
