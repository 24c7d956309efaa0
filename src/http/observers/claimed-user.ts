import { claimedUser } from '../../core/access/authorization-header.ts'
import { printable } from '../../lib/printable.ts'
import type { RequestLifecycle } from '../request-lifecycle.ts'

/** Limit for names that were not verified; the same as for tags. */
const MAX_NAME_CHARACTERS = 128

/** Makes a client's text safe for logs. */
export function readable(name: string): string {
  return printable(name.slice(0, MAX_NAME_CHARACTERS))
}

/** The unverified name of a login that was rejected or not checked. */
export function claimedBy({ request, context }: RequestLifecycle): string | undefined {
  const name = context?.claimedUser ?? claimedUser(request.headers.authorization)
  return name ? readable(name) : undefined
}
