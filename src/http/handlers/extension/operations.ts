import type * as z from 'zod'
import type { Reply } from '../../reply/reply.ts'
import type { RequestContext } from '../../request-context.ts'
import type { operationsSummary } from './operations-answer.ts'
import { freshReply } from './reply.ts'

/** How the registry is; see docs/api.md. */
export async function getOperations({ operations, version }: RequestContext): Promise<Reply> {
  const { storage, collection, scrub, endpoints } = await operations.summary()
  const { last } = collection
  const { totals } = scrub
  // Only what the answer has: states on storage may have more.
  return freshReply({
    ...{ version, storage },
    collection: { ...collection, last: last && pick(last, LAST) },
    scrub: { ...scrub, totals: totals && pick(totals, TOTALS) },
    endpoints: [...endpoints],
  } satisfies z.infer<typeof operationsSummary>)
}

const LAST = ['startedAt', 'endedAt', 'deletedBlobs', 'deletedBytes', 'removedManifests', 'findings'] as const
const TOTALS = [
  ...(['blobs', 'bytes', 'repositories', 'manifests'] as const),
  ...(['damagedBlobs', 'healedBlobs', 'findings'] as const),
]

function pick<Value extends object, Key extends keyof Value>(
  value: Value,
  keys: readonly Key[],
): Pick<Value, Key> {
  return Object.fromEntries(keys.map((key) => [key, value[key]])) as Pick<Value, Key>
}
