import pLimit from 'p-limit'
import type { AppendedObjects, KnownObject } from './appended-object.ts'
import type { Bucket, OpenUpload, Part } from './bucket.ts'
import { isConditionFailed, isMissing } from './errors.ts'
import type { S3Settings } from './settings.ts'

export type CopySettings = Pick<
  S3Settings,
  'multipartcopythresholdsize' | 'multipartcopychunksize' | 'multipartcopymaxconcurrency'
>

/** An object by its entity tag, so that no other is copied in its place. */
export interface CopySource extends KnownObject {
  readonly from: string
}

/** What one request copies at most. https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html */
const MAX_COPY_BYTES = 5 * 1024 ** 3
const MAX_PARTS = 10_000

/** Copies an object within the store: in one request, or in parts side by side. Where the store does not keep an object from
 *  being replaced, one of a single request is: looking first would cost as much.
 *  @returns false when an object stands there that need not be replaced */
export async function copyObject(
  objects: AppendedObjects,
  source: CopySource,
  { to, replace, settings }: { to: string; replace: boolean; settings: CopySettings },
): Promise<boolean> {
  const isLarge = source.size > Math.min(settings.multipartcopythresholdsize, MAX_COPY_BYTES)
  const { bucket, abilities } = objects
  if (isLarge) {
    if (!replace && (await isThere(bucket, to))) return false
    await copyInParts(objects, source, { to, settings })
    return true
  }
  const condition = !replace && abilities.copyCreateOnly ? { absent: true as const } : undefined
  try {
    await bucket.copy(source.from, to, { etag: source.etag, condition })
    return true
  } catch (error) {
    // The condition may also have been the one on the source.
    if (condition !== undefined && isConditionFailed(error) && (await isThere(bucket, to))) return false
    throw error
  }
}

/** Makes an object the first parts of an upload. */
export async function copyRanges(
  bucket: Bucket,
  source: CopySource,
  { upload, settings }: { upload: OpenUpload; settings: CopySettings },
): Promise<Part[]> {
  const limit = pLimit(settings.multipartcopymaxconcurrency)
  try {
    return await limit.map(ranges(source.size, settings.multipartcopychunksize), (range, index) =>
      bucket.copyPart(upload, index + 1, { ...source, ...range }),
    )
  } finally {
    limit.clearQueue()
  }
}

async function copyInParts(
  objects: AppendedObjects,
  source: CopySource,
  { to, settings }: { to: string; settings: CopySettings },
): Promise<void> {
  const { bucket } = objects
  const upload = { key: to, uploadId: await bucket.createUpload(to), startedAt: new Date() }
  try {
    const parts = await copyRanges(bucket, source, { upload, settings })
    await objects.finish(upload, { parts, tail: NOTHING })
  } catch (error) {
    // What can't be aborted now is found when leftovers are.
    await bucket.abortUpload(upload).catch(() => undefined)
    throw error
  }
}

const NOTHING = new Uint8Array()

/** Of about the same length each, and none shorter than was asked for: a part may not be too short. */
function ranges(size: number, partBytes: number): { start: number; end: number }[] {
  const count = Math.min(Math.max(1, Math.floor(size / partBytes)), MAX_PARTS)
  const startOf = (index: number) => Math.floor((index * size) / count)
  return Array.from({ length: count }, (_, index) => ({ start: startOf(index), end: startOf(index + 1) - 1 }))
}

async function isThere(bucket: Bucket, key: string): Promise<boolean> {
  try {
    await bucket.head(key)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
