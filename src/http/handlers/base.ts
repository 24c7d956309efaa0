import { emptyReply, jsonReply, type Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** Says that the registry is there: load balancers ask for this path, and take nothing but a 200 for a yes. */
export function getRoot(): Reply {
  return emptyReply(200, { 'cache-control': 'no-cache' })
}

/** OCI Distribution Specification 1.1, "Determining Support". */
export function getApiVersion(): Reply {
  return jsonReply(200, {})
}

export function redirectToApi(context: RequestContext): Reply {
  return emptyReply(301, { location: context.location('/v2/') })
}
