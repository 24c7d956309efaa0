import type { IncomingHttpHeaders } from 'node:http'
import type { RateLimit } from '../core/upstream/upstream-registry.ts'

/** `Retry-After`, in seconds or as a date. RFC 9110 section 10.2.3.
 *  @returns milliseconds from now; undefined if there is none */
export function retryAfterMs(headers: IncomingHttpHeaders, now = Date.now()): number | undefined {
  const text = headers['retry-after']?.trim() ?? ''
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return text === '' || Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** Docker Hub's `ratelimit-limit: 100;w=21600` and `ratelimit-remaining`. */
export function rateLimitOf(headers: IncomingHttpHeaders): RateLimit | undefined {
  const [limit, remaining] = [first(headers['ratelimit-limit']), first(headers['ratelimit-remaining'])]
  return remaining === undefined ? undefined : { limit, remaining }
}

function first(value: string | string[] | undefined): number | undefined {
  const text = /^\s*(\d{1,15})/.exec([value ?? ''].flat()[0] ?? '')?.[1]
  return text === undefined ? undefined : Number(text)
}
