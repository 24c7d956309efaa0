import type { ChallengeOptions } from '../core/access/access-controller.ts'

/** A Basic challenge. RFC 7617 section 2. */
export function basicChallenge(realm: string): string {
  return `Basic realm=${quoted(realm)}`
}

/** A Bearer challenge. RFC 6750 section 3, in Distribution's order and spelling, because clients parse it in
 *  different ways. */
export function bearerChallenge({
  realm,
  service,
  scopes,
  problem,
}: Pick<ChallengeOptions, 'scopes' | 'problem'> & { realm: string; service: string }): string {
  const parts = [`realm=${quoted(realm)}`, `service=${quoted(service)}`]
  if (scopes.length > 0) parts.push(`scope=${quoted(scopes.join(' '))}`)
  if (problem !== undefined) parts.push(`error=${quoted(problem)}`)
  return `Bearer ${parts.join(',')}`
}

/** A quoted string, RFC 9110 section 5.6.4, without characters that headers can't contain. */
function quoted(text: string): string {
  return `"${text.replace(/[^\t\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`
}
