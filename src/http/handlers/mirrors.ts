import type * as z from 'zod'
import type { Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'
import type { mirrorList } from './extension/operations-answer.ts'
import { freshReply } from './extension/reply.ts'

/** The registries that are mirrored, and how they are. */
export function listMirrors({ mirrors }: RequestContext): Reply {
  const listed = mirrors.map(({ state, rateLimit, ...figures }) => ({
    ...figures,
    breaker: state(),
    rateLimit: rateLimit(),
  }))
  return freshReply({ mirrors: listed } satisfies z.infer<typeof mirrorList>)
}
