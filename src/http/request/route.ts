import type { Action } from '../../core/access/access-controller.ts'
import { KEY_SET_PATH, TOKEN_PATH } from '../../core/access/token-issuer.ts'
import { RegistryError } from '../../core/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../../core/reference.ts'

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type Resource =
  | 'root'
  | 'livez'
  | 'readyz'
  | 'startupz'
  | 'api'
  | 'apiWithoutSlash'
  | 'catalog'
  | 'tags'
  | 'manifest'
  | 'blob'
  | 'uploads'
  | 'upload'
  | 'referrers'
  | 'signatures'
  | 'token'
  | 'keySet'

/** Which resource a path names: OCI Distribution Specification 1.1, "Endpoints". */
export interface Route {
  readonly resource: Resource
  /** Absent where the path names no repository. */
  readonly repository?: RepositoryName
  /** The path's last part, decoded and not yet checked: a tag, a digest or an upload's id. */
  readonly reference: string
}

/** What an operation needs, and what switches are about: an action on the repository; `tag`, which whoever may push may
 *  do too; `head`, whether the repository has something, which clients ask before they push it: for whoever may pull or
 *  push; `catalog`, which shows everybody what they may pull; `login`, which shows that one is known. What is `open`
 *  looks at the credentials itself; for a `probe` there are none, and nobody is told of it. */
export type Access = Action | 'head' | 'catalog' | 'login' | 'open' | 'probe'

/** What load balancers and Kubernetes ask whether the registry is there, also where everything else is below a prefix. */
export const PROBES: ReadonlyMap<string, Resource> = new Map([
  ['/', 'root'],
  ['/livez', 'livez'],
  ['/readyz', 'readyz'],
  ['/startupz', 'startupz'],
])

const PROBE_RESOURCES: ReadonlySet<Resource> = new Set(PROBES.values())

/** Nobody is told of those. */
export function isProbe({ resource }: Route): boolean {
  return PROBE_RESOURCES.has(resource)
}

/** Parses a path behind the prefix, without its query. Repository names have slashes and references have none, so it
 *  is read from its end.
 *  @throws RegistryError NAME_INVALID */
export function parseRoute(encoded: string): Route | undefined {
  const path = encoded.includes('%') ? decode(encoded) : encoded
  if (path === '/v2/') return { resource: 'api', reference: '' }
  const probe = PROBES.get(path)
  if (probe !== undefined) return { resource: probe, reference: '' }
  if (path === '/v2') return { resource: 'apiWithoutSlash', reference: '' }
  if (path === TOKEN_PATH) return { resource: 'token', reference: '' }
  if (path === KEY_SET_PATH) return { resource: 'keySet', reference: '' }
  if (!path.startsWith('/v2/')) return undefined
  if (path === '/v2/_catalog') return { resource: 'catalog', reference: '' }
  return parseRepositoryRoute(path)
}

function parseRepositoryRoute(path: string): Route | undefined {
  const lastSlash = path.lastIndexOf('/')
  const kindSlash = path.lastIndexOf('/', lastSlash - 1)
  const reference = path.slice(lastSlash + 1)
  const route = (resource: Resource, nameEnd: number, last = reference): Route | undefined =>
    nameEnd <= NAME_START
      ? undefined
      : { resource, repository: parseRepositoryName(path.slice(NAME_START, nameEnd)), reference: last }
  switch (path.slice(kindSlash + 1, lastSlash)) {
    case 'manifests':
      return route('manifest', kindSlash)
    case 'blobs':
      return reference === 'uploads' ? route('uploads', kindSlash, '') : route('blob', kindSlash)
    case 'uploads': {
      const nameEnd = kindSlash - '/blobs'.length
      if (!path.startsWith('/blobs', nameEnd)) return undefined
      return route(reference === '' ? 'uploads' : 'upload', nameEnd)
    }
    case 'tags':
      return reference === 'list' ? route('tags', kindSlash, '') : undefined
    case 'referrers':
      return route('referrers', kindSlash)
    case 'signatures': {
      const nameEnd = kindSlash - OWN.length
      return path.startsWith(OWN, nameEnd) ? route('signatures', nameEnd) : undefined
    }
    default:
      return undefined
  }
}

/** What stands before what Entrepot has of its own: no component of a name begins like this. */
const OWN = '/_entrepot'

const NAME_START = '/v2/'.length

/** Percent-decodes once. An encoded slash is a slash, as everywhere. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    throw new RegistryError('NAME_INVALID', {
      message: 'the path is not encoded as a repository path can be',
    })
  }
}
