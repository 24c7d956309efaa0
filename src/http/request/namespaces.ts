import type { IncomingMessage } from 'node:http'
import { RegistryError } from '../../core/errors.ts'
import { parseRepositoryName } from '../../core/reference.ts'
import type { Route } from './route.ts'

/** Maps names of repositories in other registries to those here. A prefix may be empty. */
export interface Namespaces {
  /** The prefix for a value of `?ns=`. */
  readonly byName: ReadonlyMap<string, string>
  /** The prefix for a host of this registry that stands for another one. */
  readonly byHost: ReadonlyMap<string, string>
}

export interface NamedRoute {
  readonly route: Route
  /** The namespace that was heeded. */
  readonly namespace: string | undefined
}

/** The route with the repository's name here. `?ns=` names the registry that the client means. OCI
 *  Distribution Specification, "Registry Proxying".
 *  @throws RegistryError NAME_UNKNOWN for an unknown namespace; NAME_INVALID if the name gets too long */
export function inNamespace(
  route: Route,
  { url = '', headers }: IncomingMessage,
  { byName, byHost }: Namespaces,
): NamedRoute {
  if (route.repository === undefined) return { route, namespace: undefined }
  const namespace = namespaceIn(url)
  const prefix =
    namespace === undefined ? (byHost.get(headers.host?.toLowerCase() ?? '') ?? '') : byName.get(namespace)
  if (prefix === undefined)
    throw new RegistryError('NAME_UNKNOWN', {
      message: 'the namespace is not served here',
      detail: { namespace: namespace?.slice(0, 255) },
    })
  if (prefix === '') return { route, namespace }
  return { route: { ...route, repository: parseRepositoryName(`${prefix}/${route.repository}`) }, namespace }
}

function namespaceIn(url: string): string | undefined {
  const mark = url.indexOf('?')
  if (mark === -1 || !url.includes('ns=', mark)) return undefined
  return new URLSearchParams(url.slice(mark + 1)).get('ns')?.toLowerCase()
}
