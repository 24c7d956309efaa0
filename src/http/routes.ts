import type { Action } from '../core/access-controller.ts'
import { RegistryError } from '../core/errors.ts'
import { parseRepositoryName, type RepositoryName } from '../core/reference.ts'
import { KEY_SET_PATH, TOKEN_PATH } from '../core/token-issuer.ts'
import type { Exchange } from './exchange.ts'
import { getApiVersion, getRoot, redirectToApi } from './handlers/base.ts'
import { deleteBlob, getBlob } from './handlers/blob.ts'
import { listRepositories } from './handlers/catalog.ts'
import { deleteManifest, getManifest, putManifest } from './handlers/manifest.ts'
import { listReferrers } from './handlers/referrers.ts'
import { listSignatures } from './handlers/signatures.ts'
import { listTags } from './handlers/tags.ts'
import { getKeySet, getToken, postToken } from './handlers/token.ts'
import { cancelUpload, finishUpload, getUpload, patchUpload, startUpload } from './handlers/upload.ts'
import type { Reply } from './reply.ts'

export type Handler = (exchange: Exchange) => Reply | Promise<Reply>

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

export type Resource =
  | 'root'
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
 *  do too; `catalog`, which shows everybody what they may pull; `login`, which shows that one is known. What is `open`
 *  looks at the credentials itself; for a `probe` there are none, and nobody is told of it. */
export type Access = Action | 'catalog' | 'login' | 'open' | 'probe'

export interface Operation {
  readonly access: Access
  readonly handle: Handler
}

const needs =
  (access: Access) =>
  (handle: Handler): Operation => ({ access, handle })
const pull = needs('pull')
const push = needs('push')
const remove = needs('delete')
const login = needs('login')
const catalog = needs('catalog')
const open = needs('open')
const probe = needs('probe')

/** The one table of what there is and what it needs: every method of every resource. What is not here is refused. */
export const operations: Record<Resource, Partial<Record<Method, Operation>>> = {
  root: { GET: probe(getRoot), HEAD: probe(getRoot) },
  api: { GET: login(getApiVersion), HEAD: login(getApiVersion) },
  apiWithoutSlash: { GET: open(redirectToApi), HEAD: open(redirectToApi) },
  catalog: { GET: catalog(listRepositories), HEAD: catalog(listRepositories) },
  tags: { GET: pull(listTags), HEAD: pull(listTags) },
  manifest: {
    GET: pull(getManifest),
    HEAD: pull(getManifest),
    PUT: needs('tag')(putManifest),
    DELETE: remove(deleteManifest),
  },
  blob: { GET: pull(getBlob), HEAD: pull(getBlob), DELETE: remove(deleteBlob) },
  uploads: { POST: push(startUpload) },
  upload: {
    GET: push(getUpload),
    HEAD: push(getUpload),
    PATCH: push(patchUpload),
    PUT: push(finishUpload),
    DELETE: push(cancelUpload),
  },
  referrers: { GET: pull(listReferrers), HEAD: pull(listReferrers) },
  signatures: { GET: pull(listSignatures), HEAD: pull(listSignatures) },
  token: { GET: open(getToken), POST: open(postToken) },
  keySet: { GET: open(getKeySet), HEAD: open(getKeySet) },
}

/** Undefined for what is not in the table: a method may be any text, also one that names a property of every object. */
export function operationOf(resource: Resource, method: string | undefined): Operation | undefined {
  const methods = operations[resource]
  return Object.hasOwn(methods, method ?? '') ? methods[method as Method] : undefined
}

/** Parses a path behind the prefix, without its query. Repository names have slashes and references have none, so it
 *  is read from its end.
 *  @throws RegistryError NAME_INVALID */
export function parseRoute(path: string): Route | undefined {
  if (path === '/v2/') return { resource: 'api', reference: '' }
  if (path === '/') return { resource: 'root', reference: '' }
  if (path === '/v2') return { resource: 'apiWithoutSlash', reference: '' }
  if (path === TOKEN_PATH) return { resource: 'token', reference: '' }
  if (path === KEY_SET_PATH) return { resource: 'keySet', reference: '' }
  if (!path.startsWith('/v2/')) return undefined
  if (path === '/v2/_catalog') return { resource: 'catalog', reference: '' }
  return path.includes('%') ? parseRepositoryRoute(decode(path)) : parseRepositoryRoute(path)
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

/** Percent-decodes once. An encoded slash would let one component pass as two. */
function decode(path: string): string {
  if (!/%2f/i.test(path)) {
    try {
      return decodeURIComponent(path)
    } catch (error) {
      if (!(error instanceof URIError)) throw error
    }
  }
  throw new RegistryError('NAME_INVALID', { message: 'the path is not encoded as a repository path can be' })
}
