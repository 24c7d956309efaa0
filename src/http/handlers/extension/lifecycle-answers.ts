/** The answers of the extension API about what happened to content: changes, deletions, pulls, usage, signatures. */
import * as z from 'zod'
import { CHANGE_CAUSES } from '../../../core/lifecycle/history.ts'
import { digest, next } from './answers.ts'

const time = z.iso.datetime()
const count = z.number().int().nonnegative()
const author = { actor: z.string(), cause: z.enum(CHANGE_CAUSES) }
const tagged = z.strictObject({ tag: z.string(), digest })

export const tagChanges = z.strictObject({
  name: z.string(),
  tag: z.string().nullable(),
  recordedSince: time.nullable(),
  changes: z.array(
    z.strictObject({
      id: z.string(),
      tag: z.string(),
      action: z.enum(['set', 'moved', 'removed']),
      at: time,
      from: digest.nullable(),
      to: digest.nullable(),
      ...author,
      until: time.nullable(),
    }),
  ),
  next,
})

const deletionFields = {
  id: z.string(),
  kind: z.enum(['tag', 'move', 'manifest', 'repository']),
  at: time,
  until: time,
  ...author,
  tags: z.array(tagged),
  tagCount: count,
  manifests: z.array(digest),
  manifestCount: count,
}

export const deletion = z.strictObject({ name: z.string(), ...deletionFields })

export const deletionList = z.strictObject({
  name: z.string(),
  deletions: z.array(z.strictObject(deletionFields)),
  next,
})

export const restoreRequest = z.strictObject({ id: z.string(), force: z.boolean().optional() })

export const restoration = z.strictObject({
  name: z.string(),
  id: z.string(),
  tags: z.array(tagged),
  manifests: z.array(digest),
  conflicts: z.array(tagged),
  lost: z.array(digest),
})

const pulls = { lastPulledAt: time, pulls: count }

export const pullList = z.strictObject({
  name: z.string(),
  recordedSince: time.nullable(),
  manifests: z.array(
    z.strictObject({ digest, ...pulls, tags: z.array(z.strictObject({ tag: z.string(), ...pulls })) }),
  ),
  next,
})

const limit = z.strictObject({ used: z.number(), limit: z.number() }).nullable()

export const usageSummary = z.strictObject({
  name: z.string(),
  countedAt: time.nullable(),
  bytes: count,
  ownBytes: count,
  manifests: count,
  tagCount: count,
  tags: z.array(z.strictObject({ tag: z.string(), digest, bytes: count, ownBytes: count })),
  quotas: z.array(
    z.strictObject({
      kind: z.enum(['repository', 'organisation']),
      name: z.string(),
      bytes: limit,
      tags: limit,
    }),
  ),
  next,
})

export const signatureList = z.strictObject({
  name: z.string(),
  digest,
  signatures: z.array(
    z.looseObject({
      kind: z.enum(['jws', 'cosign', 'notation']),
      mediaType: z.string(),
      digest,
      size: count,
      manifest: digest.optional(),
      annotations: z.record(z.string(), z.string()).optional(),
      pushedAt: time,
    }),
  ),
})
