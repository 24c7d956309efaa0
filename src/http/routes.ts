import { getApiVersion, redirectToApi } from './handlers/base.ts'
import { deleteBlob, getBlob } from './handlers/blob.ts'
import { listRepositories } from './handlers/catalog.ts'
import { listCatalogRepositories, listCatalogTags, listNamespaces } from './handlers/extension/catalog.ts'
import {
  discoverExtensions,
  discoverRepositoryExtensions,
  getOpenApi,
} from './handlers/extension/discovery.ts'
import { createKey, deleteKey, listKeys } from './handlers/extension/keys.ts'
import { listManifests } from './handlers/extension/manifests.ts'
import { getOperations } from './handlers/extension/operations.ts'
import { beginLogin, deleteSession, finishLogin, getSelf, postSession } from './handlers/extension/people.ts'
import { listTagDetails } from './handlers/extension/tags.ts'
import { deleteRepository, listTagChanges, listTrash, restoreDeletion } from './handlers/history.ts'
import { deleteManifest, getManifest, putManifest } from './handlers/manifest.ts'
import { listMirrors } from './handlers/mirrors.ts'
import { getPage } from './handlers/page.ts'
import { getLiveness, getReadiness, getRoot, getStartup } from './handlers/probes.ts'
import { listPulls } from './handlers/pulls.ts'
import { listReferrers } from './handlers/referrers.ts'
import { listSignatures } from './handlers/signatures.ts'
import { listTags } from './handlers/tags.ts'
import { getKeySet, getToken, postToken } from './handlers/token.ts'
import { cancelUpload, finishUpload, getUpload, patchUpload, startUpload } from './handlers/upload.ts'
import { getUsage } from './handlers/usage.ts'
import type { Reply } from './reply/reply.ts'
import type { Access, Method, Resource } from './request/route.ts'
import type { RequestContext } from './request-context.ts'

export type Handler = (context: RequestContext) => Reply | Promise<Reply>

export interface Operation {
  readonly access: Access
  readonly handle: Handler
}

const needs =
  (access: Access) =>
  (handle: Handler): Operation => ({ access, handle })
const pull = needs('pull')
const head = needs('head')
const push = needs('push')
const remove = needs('delete')
const login = needs('login')
const catalog = needs('catalog')
const keys = needs('keys')
const open = needs('open')
const probe = needs('probe')

const read = (operation: Operation) => ({ GET: operation, HEAD: operation })

/** The table of operations: every method of every resource, and the access it needs. All others are
 *  rejected. */
export const operations: Record<Resource, Partial<Record<Method, Operation>>> = {
  root: { GET: probe(getRoot), HEAD: probe(getRoot) },
  livez: { GET: probe(getLiveness), HEAD: probe(getLiveness) },
  readyz: { GET: probe(getReadiness), HEAD: probe(getReadiness) },
  startupz: { GET: probe(getStartup), HEAD: probe(getStartup) },
  api: { GET: login(getApiVersion), HEAD: login(getApiVersion) },
  apiWithoutSlash: { GET: open(redirectToApi), HEAD: open(redirectToApi) },
  catalog: { GET: catalog(listRepositories), HEAD: catalog(listRepositories) },
  tags: { GET: pull(listTags), HEAD: pull(listTags) },
  manifest: {
    GET: pull(getManifest),
    HEAD: head(getManifest),
    PUT: needs('tag')(putManifest),
    DELETE: remove(deleteManifest),
  },
  blob: { GET: pull(getBlob), HEAD: head(getBlob), DELETE: remove(deleteBlob) },
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
  tagHistory: { GET: pull(listTagChanges), HEAD: pull(listTagChanges) },
  trash: { GET: pull(listTrash), HEAD: pull(listTrash) },
  pulls: { GET: pull(listPulls), HEAD: pull(listPulls) },
  usage: { GET: pull(getUsage), HEAD: pull(getUsage) },
  restore: { POST: needs('restore')(restoreDeletion) },
  repository: { DELETE: remove(deleteRepository) },
  operations: read(needs('operate')(getOperations)),
  mirrors: read(catalog(listMirrors)),
  extensions: read(catalog(discoverExtensions)),
  repositoryExtensions: read(pull(discoverRepositoryExtensions)),
  openApi: read(catalog(getOpenApi)),
  catalogRepositories: read(catalog(listCatalogRepositories)),
  catalogNamespaces: read(catalog(listNamespaces)),
  catalogTags: read(catalog(listCatalogTags)),
  self: read(needs('anybody')(getSelf)),
  session: { POST: open(postSession), DELETE: open(deleteSession) },
  keys: { GET: keys(listKeys), HEAD: keys(listKeys), POST: keys(createKey), DELETE: keys(deleteKey) },
  login: { GET: open(beginLogin) },
  loginCallback: { GET: open(finishLogin) },
  tagDetails: read(pull(listTagDetails)),
  manifestDetails: read(pull(listManifests)),
  token: { GET: open(getToken), POST: open(postToken) },
  keySet: { GET: open(getKeySet), HEAD: open(getKeySet) },
  page: { GET: open(getPage), HEAD: open(getPage) },
}

/** The operation of a method. Undefined if there is none, also for names such as `constructor`. */
export function operationOf(resource: Resource, method: string | undefined): Operation | undefined {
  const methods = operations[resource]
  return Object.hasOwn(methods, method ?? '') ? methods[method as Method] : undefined
}
