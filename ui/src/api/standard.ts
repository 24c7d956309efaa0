/** What the standard API can list where the extension API is absent: names, in order. */

import { kindOf } from '../model/kind.ts'
import { contentSize, formatPlatform, type Manifest, splitIndex } from '../model/manifest.ts'
import type { Action, IndexState, Listed, ListQuery, Namespace, RepositoryRow, TagRow } from './extension.ts'
import { mapSome, nextPage, request } from './http.ts'
import { getManifest } from './registry.ts'

const NO_INDEX: IndexState = { search: false, complete: true, asOf: null }
const UNKNOWN = {
  ...{ tags: null, newestTag: null, pushedAt: null, size: null },
  ...{ pulls: null, lastPulledAt: null },
}
const PAGE_SIZE = 50
/** More names than this are not walked through. */
const MAX_NAMES = 100_000

/** All entries of a list of the specification. */
async function allOf(
  path: string,
  key: 'repositories' | 'tags',
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const names: string[] = []
  let query: URLSearchParams | undefined = new URLSearchParams({ n: '1000' })
  while (query !== undefined && names.length < MAX_NAMES) {
    const response: Response = await request(`${path}?${query}`, { signal })
    names.push(...(((await response.json()) as Record<string, string[] | null>)[key] ?? []))
    query = nextPage(response)
  }
  return names
}

/** @param cursor the number of entries before the page */
function pageOf(names: readonly string[], cursor = '0'): { page: readonly string[]; next: string | null } {
  const start = Number(cursor)
  const end = start + PAGE_SIZE
  return { page: names.slice(start, end), next: end < names.length ? String(end) : null }
}

export async function listRepositories(
  query: ListQuery,
  signal?: AbortSignal,
): Promise<Listed<RepositoryRow>> {
  const { under = '', cursor } = query
  const names = await allOf('v2/_catalog', 'repositories', signal)
  const below = under === '' ? names : names.filter((name) => name.startsWith(`${under}/`))
  const { page, next } = pageOf(below, cursor)
  const rows = page.map((name) => ({ ...UNKNOWN, name }))
  return { rows, next, index: NO_INDEX }
}

export async function listNamespaces(under: string, signal?: AbortSignal): Promise<readonly Namespace[]> {
  const start = under === '' ? '' : `${under}/`
  const found = new Map<string, { repositories: number; isRepository: boolean }>()
  for (const name of await allOf('v2/_catalog', 'repositories', signal)) {
    if (!name.startsWith(start)) continue
    const [first = ''] = name.slice(start.length).split('/')
    const child = start + first
    const known = found.get(child) ?? { repositories: 0, isRepository: false }
    found.set(child, {
      repositories: known.repositories + (child === name ? 0 : 1),
      isRepository: known.isRepository || child === name,
    })
  }
  return [...found].map(([name, counts]) => ({ name, ...counts }))
}

export async function listTags(
  repository: string,
  { q = '', cursor }: ListQuery,
  signal?: AbortSignal,
): Promise<Listed<TagRow> & { readonly actions: readonly Action[] }> {
  const names = await allOf(`v2/${repository}/tags/list`, 'tags', signal)
  const words = q.toLowerCase().split(/\s+/)
  const matching = names.filter((name) => words.every((word) => name.toLowerCase().includes(word)))
  const { page, next } = pageOf(matching, cursor)
  const rows = await mapSome(page, 6, async (name) =>
    rowOf(name, await getManifest(repository, name, signal)),
  )
  return { rows, next, index: NO_INDEX, actions: ['pull', 'delete'] }
}

function rowOf(name: string, manifest: Manifest): TagRow {
  const { digest, mediaType, manifests, artifactType, config } = manifest
  const platforms = splitIndex(manifests ?? []).images.flatMap(({ platform }) => platform ?? [])
  const isImage = ['image', 'index'].includes(kindOf(manifest))
  return {
    name,
    digest,
    mediaType,
    artifactType: isImage ? null : artifactType || (config?.mediaType ?? ''),
    platforms: platforms.map(formatPlatform),
    createdAt: null,
    pushedAt: null,
    size: manifests === undefined ? contentSize(manifest) : null,
  }
}
