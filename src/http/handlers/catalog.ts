import type { RepositoryName } from '../../core/reference.ts'
import type { Page } from '../../core/registry.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { linkToNext, pageRequest, takePage } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

/** Page size if the client states none. */
const STANDARD_ENTRIES = 100

/** Repositories that the client may see; filtered before paging. */
async function* seen({ registry, identity }: RequestContext, page: Page): AsyncIterable<RepositoryName> {
  for await (const name of registry.repositories(page)) if (identity.sees(name)) yield name
}

/** Docker Registry HTTP API V2, "Listing Repositories". */
export async function listRepositories(context: RequestContext): Promise<Reply> {
  const { count, after } = pageRequest(context.query, {
    standard: STANDARD_ENTRIES,
    max: context.settings.maxCatalogEntries,
  })
  const { names, next } = await takePage(seen(context, { after }), count)
  return jsonReply(200, { repositories: names }, linkToNext(context, { path: '/v2/_catalog', next, count }))
}
