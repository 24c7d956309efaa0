import * as z from 'zod'

const count = z.int().nonnegative()
const time = z.iso.datetime()

const scheduled = { enabled: z.boolean(), nextAt: time.nullable() }

export const operationsSummary = z.strictObject({
  version: z.string(),
  storage: z.string(),
  collection: z.strictObject({
    ...scheduled,
    phase: z.string(),
    last: z
      .strictObject({
        ...{ startedAt: time, endedAt: time, deletedBlobs: count, deletedBytes: count },
        ...{ removedManifests: count, findings: count },
      })
      .nullable(),
  }),
  scrub: z.strictObject({
    ...scheduled,
    phase: z.string(),
    startedAt: time.nullable(),
    totals: z
      .strictObject({
        ...{ blobs: count, bytes: count, repositories: count, manifests: count },
        ...{ damagedBlobs: count, healedBlobs: count, findings: count },
      })
      .nullable(),
  }),
  endpoints: z.array(
    z.strictObject({
      ...{ name: z.string(), waiting: count, oldestAt: time.nullable(), heldRepositories: count },
      ...{ deadLetters: count, off: z.string().nullable() },
    }),
  ),
})

export const mirrorList = z.strictObject({
  mirrors: z.array(
    z.strictObject({
      ...{ prefix: z.string(), host: z.string(), breaker: z.enum(['closed', 'open', 'half-open']) },
      ...{ hits: count, staleHits: count, misses: count, fetchedBytes: count, savedBytes: count },
      ...{ storeFailures: count, evictedManifests: count, bytes: count },
      rateLimit: z.strictObject({ limit: z.number().optional(), remaining: z.number() }).optional(),
    }),
  ),
})
