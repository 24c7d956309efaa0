import { RegistryError } from '../../core/errors.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { linkToNext, pageRequest, takePage } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

/** OCI Distribution Specification 1.1, "Listing Tags". */
export async function listTags(context: RequestContext): Promise<Reply> {
  const { repository, settings } = context
  const { count, after } = pageRequest(context.query, { standard: settings.maxTags, max: settings.maxTags })
  const { names, next } = await takePage(repository.tags.all({ after }), count)
  if (names.length === 0 && !(await repository.exists())) {
    throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository.name } })
  }
  const path = `/v2/${repository.name}/tags/list`
  return jsonReply(200, { name: repository.name, tags: names }, linkToNext(context, { path, next, count }))
}
