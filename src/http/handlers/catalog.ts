import type { Exchange } from '../exchange.ts'
import { linkToNext, pageRequest, takePage } from '../pagination.ts'
import { jsonReply, type Reply } from '../reply.ts'

/** How many repositories a client gets that doesn't say. */
const STANDARD_ENTRIES = 100

/** Docker Registry HTTP API V2, "Listing Repositories". */
export async function listRepositories(exchange: Exchange): Promise<Reply> {
  const { count, after } = pageRequest(exchange.query, {
    standard: STANDARD_ENTRIES,
    max: exchange.settings.maxCatalogEntries,
  })
  const { names, next } = await takePage(exchange.registry.repositories({ after }), count)
  return jsonReply(200, { repositories: names }, linkToNext(exchange, { path: '/v2/_catalog', next, count }))
}
