import { requirePath } from '../path.ts'
import type { UrlMiddleware } from './redirecting-driver.ts'

export interface RedirectOptions {
  /** The URL of the storage's root. Only scheme, host and path are used, as in Distribution. */
  readonly baseUrl: string
}

/** Redirects clients to another server with the same files. The driver's own URLs are not used. */
export function redirect({ baseUrl }: RedirectOptions): UrlMiddleware {
  const { origin, pathname } = new URL(baseUrl)
  const base = `${origin}${pathname.replace(/\/+$/, '')}`
  return () => async (path) => new URL(`${base}${requirePath(path)}`)
}
