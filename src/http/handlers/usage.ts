import { RegistryError } from '../../core/errors.ts'
import type { QuotaState } from '../../core/lifecycle/usage.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { pageRequest } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

const PAGE = { standard: 50, max: 200 }

/** What a repository and its tags take up: docs/lifecycle.md. Quotas are shown to those who may push: a quota of an organisation tells of other
 *  repositories. */
export async function getUsage(context: RequestContext): Promise<Reply> {
  const { usage, repository, query } = context
  const { name } = repository
  const { count } = pageRequest(query, PAGE)
  const after = query.get('cursor') ?? ''
  const figures = await usage.repository(name)
  if (figures === undefined && !(await repository.exists()))
    throw new RegistryError('NAME_UNKNOWN', { detail: { name } })
  const { bytes = 0, ownBytes = 0, manifests = 0, tags: tagCount = 0 } = figures ?? {}
  const found = [...(await usage.tags(name))]
    .filter(({ tag }) => tag > after)
    .sort((a, b) => (a.tag < b.tag ? -1 : 1))
  const tags = found.slice(0, count)
  const body = {
    ...{ name, countedAt: (await usage.countedAt()) ?? null, bytes, ownBytes, manifests, tagCount, tags },
    quotas: context.may('push') ? (await usage.quotas(name)).map(described) : [],
    next: found.length > count ? (tags.at(-1)?.tag ?? null) : null,
  }
  return jsonReply(200, body, { 'cache-control': 'no-store' })
}

function described({ kind, name, bytes, tags }: QuotaState) {
  return { kind, name, bytes: bytes ?? null, tags: tags ?? null }
}
