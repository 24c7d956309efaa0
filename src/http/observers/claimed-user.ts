import { claimedUser } from '../../core/access/authorization-header.ts'
import { printable } from '../../lib/printable.ts'
import type { RequestLifecycle } from '../request-lifecycle.ts'

/** Of a name that was never looked at: no tag is longer. */
const MAX_NAME_CHARACTERS = 128

/** A client's text as a log may have it. */
export function readable(name: string): string {
  return printable(name.slice(0, MAX_NAME_CHARACTERS))
}

/** The name in a login that was not accepted, or not checked to its end: it proves nothing. */
export function claimedBy({ request, context }: RequestLifecycle): string | undefined {
  const name = context?.claimedUser ?? claimedUser(request.headers.authorization)
  return name ? readable(name) : undefined
}
