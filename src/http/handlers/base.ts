import type { Exchange } from '../exchange.ts'
import { emptyReply, jsonReply, type Reply } from '../reply.ts'

/** OCI Distribution Specification 1.1, "Determining Support". */
export function getApiVersion(): Reply {
  return jsonReply(200, {})
}

export function redirectToApi(exchange: Exchange): Reply {
  return emptyReply(301, { location: exchange.location('/v2/') })
}
