import { jsonReply, type Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** The registries that are mirrored, and how they are. */
export function listMirrors({ mirrors }: RequestContext): Reply {
  const listed = mirrors.map(({ state, rateLimit, ...figures }) => ({
    ...figures,
    breaker: state(),
    rateLimit: rateLimit(),
  }))
  return jsonReply(200, { mirrors: listed }, { 'cache-control': 'no-store' })
}
