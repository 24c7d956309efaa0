import type * as z from 'zod'
import { ACTIONS, type Action } from '../../../core/access/access-controller.ts'
import { type CatalogIndex, TAG_KEYS } from '../../../core/catalog/catalog-index.ts'
import { describeManifest } from '../../../core/catalog/manifest-summary.ts'
import { isErrorOf, RegistryError } from '../../../core/errors.ts'
import type { Tag } from '../../../core/reference.ts'
import type { Repository, TagEntry } from '../../../core/registry.ts'
import { mapInOrder } from '../../../lib/map-in-order.ts'
import type { Reply } from '../../reply/reply.ts'
import { isEnabled } from '../../request/is-enabled.ts'
import { takePage } from '../../request/pagination.ts'
import type { RequestContext } from '../../request-context.ts'
import type { tagList } from './answers.ts'
import { indexOrStorage } from './index-or-storage.ts'
import { ListParameters } from './parameters.ts'
import { freshReply, summaryOf, timeOf } from './reply.ts'

type TagAnswers = z.infer<typeof tagList>

/** The tags of a repository with what they name; see docs/api.md. */
export async function listTagDetails(context: RequestContext): Promise<Reply> {
  const { index, query, repository } = context
  const parameters = new ListParameters(query, { keys: TAG_KEYS, standard: 'name' })
  const page = await indexOrStorage(index, {
    index: (present) => fromIndex(repository, parameters, present),
    storage: (refusal) => fromStorage(repository, parameters, refusal),
  })
  if (page.tags.length === 0 && parameters.after === undefined && !(await repository.exists()))
    throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository.name } })
  return freshReply({
    name: repository.name,
    actions: actionsOf(context),
    ...page,
  } satisfies TagAnswers)
}

async function fromIndex(
  { name }: Repository,
  parameters: ListParameters<(typeof TAG_KEYS)[number]>,
  index: CatalogIndex,
): Promise<Pick<TagAnswers, 'tags' | 'next'>> {
  const { words, order, after, count } = parameters
  if (after === undefined) await index.compare(name)
  const { entries, next } = await index.tags({
    ...{ words, order, after, count, repository: name },
    ...{ repositoryWords: [], digest: undefined, sees: () => true },
  })
  const tags = entries.map((entry) => ({
    name: entry.name,
    ...summaryOf(entry),
    pushedAt: timeOf(entry.pushedAt),
  }))
  return { tags, next: parameters.cursor(next) }
}

async function fromStorage(
  repository: Repository,
  parameters: ListParameters<string>,
  refusal: RegistryError,
): Promise<Pick<TagAnswers, 'tags' | 'next'>> {
  const { words, order, after, count } = parameters
  if (order.key !== 'name' || order.descending) throw refusal
  const { names, next } = await takePage(matching(repository, words, after?.tag), count)
  const tags: TagAnswers['tags'] = []
  const work = (tag: string) => describedTag(repository, tag as Tag)
  for await (const tag of mapInOrder(names, { concurrency: CONCURRENCY, work }))
    if (tag !== undefined) tags.push(tag)
  const { name } = repository
  return {
    tags,
    next: parameters.cursor(next === undefined ? undefined : { value: next, repository: name, tag: next }),
  }
}

const CONCURRENCY = 8

async function* matching(
  { tags }: Repository,
  words: readonly string[],
  after: string | undefined,
): AsyncIterable<string> {
  for await (const tag of tags.all(after === undefined ? {} : { after })) {
    const text = tag.toLowerCase()
    if (words.every((word) => text.includes(word))) yield tag
  }
}

/** Undefined if the tag was removed meanwhile. */
async function describedTag(
  repository: Repository,
  tag: Tag,
): Promise<TagAnswers['tags'][number] | undefined> {
  const entry = await repository.tags.entry(tag)
  if (entry === undefined) return undefined
  return { name: tag, ...(await summaryOrUnknown(repository, entry)), pushedAt: timeOf(entry.setAt) }
}

async function summaryOrUnknown(repository: Repository, { digest }: TagEntry) {
  try {
    return summaryOf(await describeManifest(repository, digest))
  } catch (error) {
    if (!isErrorOf(error, 'MANIFEST_UNKNOWN') && !isErrorOf(error, 'MANIFEST_INVALID')) throw error
    return { digest, mediaType: '', artifactType: null, platforms: [], createdAt: null, size: null }
  }
}

/** What the client may do in the repository, as far as the registry is configured to do it. */
function actionsOf(context: RequestContext): Action[] {
  return ACTIONS.filter((action) => isEnabled(action, context.settings) && context.may(action))
}
