import type { Exchange } from '../exchange.ts'
import { emptyReply, jsonReply, type Reply } from '../reply/reply.ts'

/** Says that the registry is there: load balancers ask for this path, and take nothing but a 200 for a yes. */
export function getRoot(): Reply {
  return emptyReply(200, { 'cache-control': 'no-cache' })
}

/** OCI Distribution Specification 1.1, "Determining Support". */
export function getApiVersion(): Reply {
  return jsonReply(200, {})
}

export function redirectToApi(exchange: Exchange): Reply {
  return emptyReply(301, { location: exchange.location('/v2/') })
}
