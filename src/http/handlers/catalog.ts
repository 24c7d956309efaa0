import { jsonReply, type Reply } from '../reply/reply.ts'
import { linkToNext, pageRequest, takePage } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

/** Page size if the client states none. */
const STANDARD_ENTRIES = 100

/** Docker Registry HTTP API V2, "Listing Repositories". */
export async function listRepositories(context: RequestContext): Promise<Reply> {
  const { count, after } = pageRequest(context.query, {
    standard: STANDARD_ENTRIES,
    max: context.settings.maxCatalogEntries,
  })
  const { registry, identity } = context
  const { names, next } = await takePage(registry.repositories({ after }), count, (name) =>
    identity.sees(name),
  )
  return jsonReply(200, { repositories: names }, linkToNext(context, { path: '/v2/_catalog', next, count }))
}
