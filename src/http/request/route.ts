import type { Action } from '../../core/access/access-controller.ts'
import { KEY_SET_PATH, TOKEN_PATH } from '../../core/access/token-issuer.ts'
import { RegistryError } from '../../core/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../../core/reference.ts'
import { type ExtensionRoute, parseExtensionRoute } from './extension-route.ts'

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
  | ExtensionRoute['resource']
  | 'token'
  | 'keySet'
  | 'page'

/** A path's resource. OCI Distribution Specification 1.1, "Endpoints". */
export interface Route {
  readonly resource: Resource
  /** Undefined if the path has no repository. */
  readonly repository?: RepositoryName
  /** The last part of the path, decoded and not yet validated: a tag, a digest or an upload's id. */
  readonly reference: string
}

/** The access that an operation needs: an action on the repository, where `tag` is included in `push`;
 *  `restore`, for clients that may push and delete; `head`, for clients that may pull or push; `catalog`, which lists what the client may pull; `login`, for
 *  any authenticated client. `operate`, for those who may see how the registry is; `keys`, for people who have logged in by themselves, not by a key, a token or a robot. `anybody`, for any client, also an anonymous one. `open` operations check credentials themselves; a `probe` has none and is not
 *  observed. */
export type Access =
  | Action
  | 'restore'
  | 'head'
  | 'catalog'
  | 'login'
  | 'operate'
  | 'keys'
  | 'anybody'
  | 'open'
  | 'probe'

/** Probes of load balancers and Kubernetes, served also if everything else has a prefix. */
export const PROBES: ReadonlyMap<string, Resource> = new Map([
  ['/', 'root'],
  ['/livez', 'livez'],
  ['/readyz', 'readyz'],
  ['/startupz', 'startupz'],
])

const PROBE_RESOURCES: ReadonlySet<Resource> = new Set(PROBES.values())

/** Probes are not logged or counted. */
export function isProbe({ resource }: Route): boolean {
  return PROBE_RESOURCES.has(resource)
}

/** Parses a path behind the prefix, without its query. Repository names have slashes and references have
 *  none, so it is read from its end.
 *  @throws RegistryError NAME_INVALID */
export function parseRoute(encoded: string): Route | undefined {
  const path = encoded.includes('%') ? decode(encoded) : encoded
  if (path === '/v2/') return { resource: 'api', reference: '' }
  const probe = PROBES.get(path)
  if (probe !== undefined) return { resource: probe, reference: '' }
  if (path === '/v2') return { resource: 'apiWithoutSlash', reference: '' }
  if (path === TOKEN_PATH) return { resource: 'token', reference: '' }
  if (path === KEY_SET_PATH) return { resource: 'keySet', reference: '' }
  if (!path.startsWith('/v2/')) return parsePageRoute(path)
  if (path === '/v2/_catalog') return { resource: 'catalog', reference: '' }
  return parseRepositoryRoute(path)
}

/** The page and all of its views; `/ui` alone leads there. */
function parsePageRoute(path: string): Route | undefined {
  if (path === PAGE_PATH || path.startsWith(`${PAGE_PATH}/`)) {
    return { resource: 'page', reference: path.slice(PAGE_PATH.length) }
  }
  return undefined
}

const PAGE_PATH = '/ui'

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
      if (reference === 'list' && path.startsWith(OWN, kindSlash - OWN.length)) return parseExtension(path)
      return route('manifest', kindSlash)
    case 'blobs':
      return reference === 'uploads' ? route('uploads', kindSlash, '') : route('blob', kindSlash)
    case 'uploads': {
      const nameEnd = kindSlash - '/blobs'.length
      if (!path.startsWith('/blobs', nameEnd)) return undefined
      return route(reference === '' ? 'uploads' : 'upload', nameEnd)
    }
    case 'tags':
      if (path.startsWith(OWN, kindSlash - OWN.length)) return parseExtension(path)
      return reference === 'list' ? route('tags', kindSlash, '') : undefined
    case 'referrers':
      return route('referrers', kindSlash)
    case 'signatures': {
      const nameEnd = kindSlash - OWN.length
      return path.startsWith(OWN, nameEnd) ? route('signatures', nameEnd) : undefined
    }
    default:
      return parseExtension(path)
  }
}

function parseExtension(path: string): Route | undefined {
  const { resource, name } = parseExtensionRoute(path.slice(API.length)) ?? {}
  if (resource === undefined) return undefined
  return name === undefined
    ? { resource, reference: '' }
    : { resource, repository: parseRepositoryName(name), reference: '' }
}

/** Prefix of Entrepot's own resources: no component of a repository's name begins with `_`. */
const OWN = '/_entrepot'

const API = '/v2'

const NAME_START = '/v2/'.length

/** Percent-decodes once. An encoded slash counts as a slash. */
function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (error) {
    if (!(error instanceof URIError)) throw error
    throw new RegistryError('NAME_INVALID', {
      message: 'the path is not encoded correctly',
    })
  }
}
