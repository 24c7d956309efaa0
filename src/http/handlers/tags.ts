import { RegistryError } from '../../core/errors.ts'
import type { Exchange } from '../exchange.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { linkToNext, pageRequest, takePage } from '../request/pagination.ts'

/** OCI Distribution Specification 1.1, "Listing Tags". */
export async function listTags(exchange: Exchange): Promise<Reply> {
  const { repository, settings } = exchange
  const { count, after } = pageRequest(exchange.query, { standard: settings.maxTags, max: settings.maxTags })
  const { names, next } = await takePage(repository.tags.all({ after }), count)
  if (names.length === 0 && !(await repository.exists())) {
    throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository.name } })
  }
  const path = `/v2/${repository.name}/tags/list`
  return jsonReply(200, { name: repository.name, tags: names }, linkToNext(exchange, { path, next, count }))
}
