import type { ChallengeOptions } from '../core/access/access-controller.ts'

/** RFC 7617 section 2. */
export function basicChallenge(realm: string): string {
  return `Basic realm=${quoted(realm)}`
}

/** RFC 6750 section 3, with the order and the spelling of Distribution, which clients parse in many ways. */
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

/** RFC 9110 section 5.6.4; what no header can carry is left out. */
function quoted(text: string): string {
  return `"${text.replace(/[^\t\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`
}
