import type * as z from 'zod'
import { type IndexedRepository, REPOSITORY_KEYS } from '../../../core/catalog/catalog-index.ts'
import { parseDigest } from '../../../core/digest.ts'
import type { RepositoryName } from '../../../core/reference.ts'
import type { Reply } from '../../reply/reply.ts'
import { takePage } from '../../request/pagination.ts'
import type { RequestContext } from '../../request-context.ts'
import type { catalogTagList, namespaceList, repositoryList } from './answers.ts'
import { indexOrStorage } from './index-or-storage.ts'
import { invalid, ListParameters, wordsOf } from './parameters.ts'
import { freshReply, summaryOf, timeOf } from './reply.ts'

/** Repositories; see docs/api.md. Without an index: those of storage, in order of their names. */
export async function listCatalogRepositories(context: RequestContext): Promise<Reply> {
  const parameters = new ListParameters(context.query, { keys: REPOSITORY_KEYS, standard: 'name' })
  const under = namespaceIn(context.query)
  const { words, order, after, count } = parameters
  const sees = (name: RepositoryName) => context.identity.sees(name)
  const listed = await indexOrStorage<Page>(context.index, {
    async index(index) {
      const { entries, next } = await index.repositories({ words, order, after, count, under, sees })
      return { repositories: entries.map(repositoryEntry), next: parameters.cursor(next) }
    },
    storage(refusal) {
      if (words.length > 0 || order.key !== 'name' || order.descending) throw refusal
      return fromStorage(context, parameters, under)
    },
  })
  return freshReply(listed satisfies RepositoryList)
}

type RepositoryList = z.infer<typeof repositoryList>
type Page = Omit<RepositoryList, 'index'>

async function fromStorage(
  { registry, identity }: RequestContext,
  parameters: ListParameters<string>,
  under: string | undefined,
): Promise<Page> {
  const { after, count } = parameters
  const start = after?.repository ?? (under === undefined ? undefined : `${under}/`)
  const seen = async function* () {
    for await (const name of registry.repositories({ ...(start !== undefined && { after: start }) })) {
      if (under !== undefined && !name.startsWith(`${under}/`)) return
      if (identity.sees(name)) yield name
    }
  }
  const { names, next } = await takePage(seen(), count)
  return {
    repositories: names.map((name) => ({ ...UNKNOWN, name })),
    next: parameters.cursor(next === undefined ? undefined : { value: next, repository: next, tag: '' }),
  }
}

/** What only the index knows of a repository. */
const UNKNOWN = {
  ...{ tags: null, newestTag: null, pushedAt: null, size: null },
  ...{ pulls: null, lastPulledAt: null },
}

const MAX_NAMESPACES = 10_000

/** One level of the tree of repositories. */
export async function listNamespaces({ index, registry, identity, query }: RequestContext): Promise<Reply> {
  const under = namespaceIn(query)
  const start = under === undefined ? '' : `${under}/`
  const sees = (name: RepositoryName) => name.startsWith(start) && identity.sees(name)
  const { names, index: state } = await indexOrStorage(index, {
    index: async (present) => ({ names: await present.names(sees) }),
    storage: async () => ({ names: await namesBelow(registry, start, sees) }),
  })
  const found = new Map<string, { repositories: number; isRepository: boolean }>()
  for (const name of names) {
    const slash = name.indexOf('/', start.length)
    const child = slash === -1 ? name : name.slice(0, slash)
    const known = found.get(child) ?? { repositories: 0, isRepository: false }
    if (slash === -1) known.isRepository = true
    else known.repositories++
    found.set(child, known)
  }
  const namespaces = [...found].map(([name, counts]) => ({ name, ...counts }))
  namespaces.sort((one, other) => (one.name < other.name ? -1 : 1))
  return freshReply({
    namespaces: namespaces.slice(0, MAX_NAMESPACES),
    index: state,
  } satisfies z.infer<typeof namespaceList>)
}

async function namesBelow(
  registry: RequestContext['registry'],
  start: string,
  sees: (name: RepositoryName) => boolean,
): Promise<RepositoryName[]> {
  const names: RepositoryName[] = []
  for await (const name of registry.repositories(start === '' ? {} : { after: start })) {
    if (!name.startsWith(start)) break
    if (sees(name)) names.push(name)
  }
  return names
}

const CATALOG_TAG_KEYS = ['name', 'pushed', 'size'] as const

/** Tags of all repositories. */
export async function listCatalogTags({ index, query, identity }: RequestContext): Promise<Reply> {
  const parameters = new ListParameters(query, { keys: CATALOG_TAG_KEYS, standard: '-pushed' })
  const { order, after, count } = parameters
  const asked = query.get('digest')
  const tagsQuery = {
    ...{ order, after, count, repository: undefined },
    ...searchOf(query.get('q')),
    digest: asked ? parseDigest(asked) : undefined,
    sees: (name: RepositoryName) => identity.sees(name),
  }
  const listed = await indexOrStorage(index, {
    async index(present) {
      const { entries, next } = await present.tags(tagsQuery)
      const tags = entries.map(({ repository, name, pushedAt, ...summary }) => ({
        ...{ repository, name },
        ...summaryOf(summary),
        pushedAt: timeOf(pushedAt),
      }))
      return { tags, next: parameters.cursor(next) }
    },
    storage(refusal) {
      throw refusal
    },
  })
  return freshReply(listed satisfies z.infer<typeof catalogTagList>)
}

/** A colon divides parts of the repository's name from those of the tag. */
function searchOf(text: string | null): { words: string[]; repositoryWords: string[] } {
  const colon = text?.lastIndexOf(':') ?? -1
  if (!text || colon === -1) return { words: wordsOf(text), repositoryWords: [] }
  return { words: wordsOf(text.slice(colon + 1)), repositoryWords: wordsOf(text.slice(0, colon)) }
}

function namespaceIn(query: URLSearchParams): string | undefined {
  const under = query.get('under')
  if (!under) return undefined
  if (under.length > 255 || !/^[a-z0-9._/-]+$/.test(under)) throw invalid('under', 'under is a namespace')
  return under.replace(/\/+$/, '')
}

function repositoryEntry({ name, tags, newestTag, pushedAt, size, pulls }: IndexedRepository) {
  return {
    ...{ name, tags, newestTag, pushedAt: timeOf(pushedAt), size },
    pulls: pulls?.pulls ?? null,
    lastPulledAt: timeOf(pulls?.lastPulledAt ?? null),
  }
}
