/** What is found out when a bucket is opened. */
import { tryToSpill } from './appending/spill-file.ts'
import type { Bucket } from './bucket.ts'
import {
  type ConditionalWriteSupport,
  NO_CONDITIONAL_WRITES,
  probeConditionalWrites,
} from './conditional-write-support.ts'
import type { S3Options } from './settings.ts'

/** Checks that the bucket can be used, and probes which conditional writes the store supports. */
export async function tryOut(
  bucket: Bucket,
  root: string,
  { log, readOnly = false }: S3Options,
): Promise<ConditionalWriteSupport> {
  if (readOnly) {
    await bucket.holds(root)
    return NO_CONDITIONAL_WRITES
  }
  const support = await probeConditionalWrites(bucket, root)
  log.info(support, 'supported conditional writes')
  return support
}

/** Memory for the parts of uploads. Without a temporary folder all of them must be gathered in it. */
export async function gatheringBudget({
  transferMemory = Number.POSITIVE_INFINITY,
  readOnly = false,
  log,
}: S3Options): Promise<number> {
  if (readOnly || transferMemory === Number.POSITIVE_INFINITY) return transferMemory
  try {
    await tryToSpill()
    return transferMemory
  } catch (error) {
    const fields = { key: 'storage.transfermemory', reason: (error as Error).message }
    log.warn(fields, 'no temporary files can be created for uploads: they may exceed the memory limit')
    return Number.POSITIVE_INFINITY
  }
}
