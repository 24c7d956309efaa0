/** The extension API; the project's docs/api.md describes it. */
import { signal as signalOf } from '@preact/signals'
import { ApiError, getJson, request } from './http.ts'
import * as standard from './standard.ts'

/** The paths of the extensions that the registry has, such as `_entrepot/catalog/tags`. */
export const extensions = signalOf<ReadonlySet<string>>(new Set())

/** True if the registry has the extension, of the registry or of repositories. */
export function hasExtension(module: string): boolean {
  return [...extensions.value].some((endpoint) => endpoint.endsWith(`_entrepot/${module}`))
}

export interface IndexState {
  /** False without an index, or while it is not available: only names can be listed. */
  readonly search: boolean
  /** False while the index is filled, or not available. */
  readonly complete: boolean
  readonly asOf: string | null
}

export interface RepositoryRow {
  readonly name: string
  readonly tags: number | null
  readonly newestTag: string | null
  readonly pushedAt: string | null
  readonly size: number | null
  /** Null if pulls are not recorded. */
  readonly pulls: number | null
  readonly lastPulledAt: string | null
}

export interface TagRow {
  /** Only in lists of several repositories. */
  readonly repository?: string
  readonly name: string
  readonly digest: string
  readonly mediaType: string
  readonly artifactType: string | null
  readonly platforms: readonly string[]
  readonly createdAt: string | null
  readonly pushedAt: string | null
  readonly size: number | null
}

export interface ManifestRow {
  readonly digest: string
  readonly mediaType: string
  readonly artifactType: string | null
  readonly platforms: readonly string[]
  readonly createdAt: string | null
  readonly size: number | null
  readonly subject: string | null
  readonly tags: readonly string[]
  readonly parents: readonly string[]
}

export interface Namespace {
  readonly name: string
  readonly repositories: number
  readonly isRepository: boolean
}

/** One page of a list. */
export interface Listed<Row> {
  readonly rows: readonly Row[]
  /** The cursor of the next page; null on the last. */
  readonly next: string | null
  readonly index: IndexState
}

export type Action = 'pull' | 'push' | 'delete' | 'tag'

export interface ListQuery {
  readonly q?: string | undefined
  readonly sort?: string | undefined
  readonly cursor?: string | undefined
  readonly under?: string | undefined
  readonly digest?: string | undefined
  readonly n?: number
}

const NO_INDEX: IndexState = { search: false, complete: true, asOf: null }

export async function listRepositories(
  query: ListQuery,
  signal?: AbortSignal,
): Promise<Listed<RepositoryRow>> {
  if (!hasExtension('catalog/repositories')) return standard.listRepositories(query, signal)
  const answer = await list<{ repositories: RepositoryRow[] }>(
    '_entrepot/catalog/repositories',
    query,
    signal,
  )
  return { ...answer, rows: answer.repositories }
}

export async function listAllTags(query: ListQuery, signal?: AbortSignal): Promise<Listed<TagRow>> {
  const answer = await list<{ tags: TagRow[] }>('_entrepot/catalog/tags', query, signal)
  return { ...answer, rows: answer.tags }
}

export async function listTags(
  repository: string,
  query: ListQuery,
  signal?: AbortSignal,
): Promise<Listed<TagRow> & { readonly actions: readonly Action[] }> {
  if (!hasExtension('catalog/repositories')) return standard.listTags(repository, query, signal)
  const path = `${repository}/_entrepot/tags/list`
  const answer = await list<{ tags: TagRow[]; actions: Action[] }>(path, query, signal)
  return { ...answer, rows: answer.tags }
}

export async function listUntagged(
  repository: string,
  query: ListQuery,
  signal?: AbortSignal,
): Promise<Listed<ManifestRow>> {
  const path = `${repository}/_entrepot/manifests/list`
  const { q: _, sort: __, ...rest } = query
  const answer = await list<{ manifests: ManifestRow[] }>(path, { ...rest, tagged: 'false' }, signal)
  return { ...answer, index: NO_INDEX, rows: answer.manifests }
}

export async function listNamespaces(under: string, signal?: AbortSignal): Promise<readonly Namespace[]> {
  if (!hasExtension('catalog/repositories')) return standard.listNamespaces(under, signal)
  const query = under === '' ? '' : `?under=${encodeURIComponent(under)}`
  const path = `v2/_entrepot/catalog/namespaces${query}`
  return (await getJson<{ namespaces: Namespace[] }>(path, signal)).namespaces
}

interface Page {
  readonly next: string | null
  readonly index: IndexState
}

/** While the index is not available, the first page is asked for in the only order that there is: by name. */
async function list<T>(path: string, query: ListQuery & Filters, signal?: AbortSignal): Promise<T & Page> {
  try {
    return await ask<T>(path, query, signal)
  } catch (error) {
    const isByName = query.sort === undefined || query.sort === 'name'
    if (!(error instanceof ApiError) || error.status !== 503 || isByName || query.cursor !== undefined)
      throw error
    return ask<T>(path, { ...query, sort: 'name' }, signal)
  }
}

interface Filters {
  readonly tagged?: 'true' | 'false'
}

async function ask<T>(path: string, query: object, signal?: AbortSignal): Promise<T & Page> {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
  return getJson<T & Page>(`v2/${path}${search === '' ? '' : `?${search}`}`, signal)
}

export interface Person {
  readonly kind: 'anonymous' | 'user' | 'robot'
  readonly name: string
  readonly groups: readonly string[]
  readonly session: { readonly expiresAt: string } | null
  readonly mayList: boolean
  /** May see how the registry is. */
  readonly mayOperate: boolean
  readonly login: {
    readonly isPossible: boolean
    readonly password: boolean
    readonly providers: readonly { readonly id: string; readonly name: string }[]
  }
  readonly keys: boolean
  readonly registry: {
    readonly version: string
    readonly readOnly: boolean
    readonly deleteEnabled: boolean
    readonly search: boolean
  }
}

export async function getSelf(): Promise<Person> {
  try {
    return await getJson<Person>('v2/_entrepot/user/self')
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error
  }
  return guessSelf()
}

/** What the lists say where the registry does not tell who asks. */
async function guessSelf(): Promise<Person> {
  try {
    const { index } = await listRepositories({ n: 1 })
    return { ...NOBODY, registry: { ...NOBODY.registry, search: index.search } }
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error
    return { ...NOBODY, mayList: false }
  }
}

const NOBODY: Person = {
  kind: 'anonymous',
  name: '',
  groups: [],
  session: null,
  mayList: true,
  mayOperate: false,
  login: { isPossible: false, password: false, providers: [] },
  keys: false,
  registry: { version: '', readOnly: false, deleteEnabled: true, search: false },
}

export async function logIn(username: string, password: string): Promise<void> {
  await request('v2/_entrepot/user/session', { method: 'POST', body: { username, password } })
}

export async function logOut(): Promise<void> {
  await request('v2/_entrepot/user/session', { method: 'DELETE' })
}

/** Asks which extensions the registry has; none, as far as the person may know, before a login. */
export async function discover(): Promise<void> {
  try {
    const answer = await getJson<{ extensions: { endpoints?: string[] }[] }>('v2/_oci/ext/discover')
    extensions.value = new Set(answer.extensions.flatMap(({ endpoints }) => endpoints ?? []))
  } catch (error) {
    if (!(error instanceof ApiError) || ![401, 403, 404].includes(error.status)) throw error
    extensions.value = new Set()
  }
}
