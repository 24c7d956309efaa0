import { emptyReply, jsonReply, type Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** OCI Distribution Specification 1.1, "Determining Support". */
export function getApiVersion(): Reply {
  return jsonReply(200, {})
}

export function redirectToApi(context: RequestContext): Reply {
  return emptyReply(301, { location: context.location('/v2/') })
}
