import { ACTIONS } from '../../core/access/access-controller.ts'
import { isRepositoryName } from '../../core/reference.ts'
import type { Permissions, ResourceActions } from '../permissions.ts'
import { bitOf } from '../rules.ts'

/** Size limit of a token's permissions, so that clients can send it in a header. */
const MAX_LISTED_BYTES = 4 * 1024

/** Parses `repository:a/b:pull,push`. A class behind the type, which some clients send, is ignored. Undefined
 *  if malformed. https://distribution.github.io/distribution/spec/auth/scope/ */
export function parseScope(text: string): ResourceActions | undefined {
  const first = text.indexOf(':')
  const last = text.lastIndexOf(':')
  if (first <= 0 || first === last) return undefined
  return {
    type: text.slice(0, first).replace(/\([^()]*\)$/, ''),
    name: text.slice(first + 1, last),
    actions: text
      .slice(last + 1)
      .split(',')
      .filter(Boolean),
  }
}

export function formatScope({ type, name, actions }: ResourceActions): string {
  return `${type}:${name}:${actions.join(',')}`
}

/** The permitted part of the requested scopes. */
export function grantedOf(scopes: readonly string[], permissions: Permissions): ResourceActions[] {
  const granted: ResourceActions[] = []
  let bytes = 0
  for (const scope of scopes.flatMap((text) => text.split(' '))) {
    const asked = parseScope(scope)
    const given = asked && grant(asked, permissions)
    if (given === undefined) continue
    bytes += JSON.stringify(given).length
    if (bytes > MAX_LISTED_BYTES) break
    granted.push(given)
  }
  return granted
}

function grant(
  { type, name, actions }: ResourceActions,
  permissions: Permissions,
): ResourceActions | undefined {
  const wants = (action: string) => actions.includes(action) || actions.includes('*')
  if (type === 'registry' && name === 'catalog') {
    return wants('*') && permissions.mayList ? { type, name, actions: ['*'] } : undefined
  }
  if (type !== 'repository' || !isRepositoryName(name)) return undefined
  const allowed = permissions.allowed(name)
  // Clients that set a tag request `push`; a subject that may only tag gets `tag`.
  const given = ACTIONS.filter(
    (action) => (wants(action) || (action === 'tag' && wants('push'))) && (allowed & bitOf(action)) !== 0,
  )
  return given.length === 0 ? undefined : { type, name, actions: given }
}
