import { requirePath } from '../path.ts'
import type { UrlMiddleware } from './redirecting-driver.ts'

export interface RedirectOptions {
  /** Where the storage's root is served. Of it, only scheme, host and path count, as in Distribution. */
  readonly baseUrl: string
}

/** Sends clients to another server that has the same files. The driver's own URLs are not asked for. */
export function redirect({ baseUrl }: RedirectOptions): UrlMiddleware {
  const { origin, pathname } = new URL(baseUrl)
  const base = `${origin}${pathname.replace(/\/+$/, '')}`
  return () => async (path) => new URL(`${base}${requirePath(path)}`)
}
