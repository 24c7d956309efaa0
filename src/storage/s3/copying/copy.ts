import type { AppendedObjects } from '../appended-object.ts'
import type { Condition } from '../bucket.ts'
import { isConditionFailed, isOther } from '../errors.ts'
import { wholeOf } from '../record.ts'
import type { MeantBytes } from '../versions.ts'

/** An object, or the first bytes of it, up to its size. */
export interface CopyOrigin {
  readonly from: string
  readonly object: MeantBytes
}

export interface CopyTarget {
  readonly to: string
  /** False if an existing target stays. */
  readonly replace: boolean
}

/** Limit of a copy in one request. https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html */
const MAX_COPY_BYTES = 5 * 1024 ** 3

/** Copies an object within the store: in one request, or in concurrent parts. If the store has no conditional
 *  copies, the bytes pass through the registry, whose reads identify the object.
 *  @returns false if the target exists and is not to be replaced
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the source has changed or is missing; the SDK's
 *    errors */
export async function copyObject(
  objects: AppendedObjects,
  source: CopyOrigin,
  target: CopyTarget,
): Promise<boolean> {
  if (await wayFor(objects, source)(objects, source, target)) return true
  // The failed condition may have been that of the source.
  await objects.require(source.from, source.object)
  return false
}

type Way = (objects: AppendedObjects, source: CopyOrigin, target: CopyTarget) => Promise<boolean>

function wayFor({ support, copies: { settings } }: AppendedObjects, { object }: CopyOrigin): Way {
  const isTooLarge = object.size > Math.min(settings.multipartcopythresholdsize, MAX_COPY_BYTES)
  if (isTooLarge || object.mayBeLonger) return copyInParts
  if (support.copySourceOnly) return copyWhole
  return object.size > settings.chunksize ? copyInParts : carry
}

async function copyWhole(
  objects: AppendedObjects,
  { from, object }: CopyOrigin,
  { to, replace }: CopyTarget,
): Promise<boolean> {
  const { copyCreateOnly } = objects.support
  if (!replace && !copyCreateOnly && (await isThere(objects, to))) return false
  const condition = !replace && copyCreateOnly ? ABSENT : undefined
  try {
    await objects.bucket.copy(from, to, { etag: object.etag, condition })
    return true
  } catch (error) {
    if (condition !== undefined && isConditionFailed(error)) return false
    throw error
  }
}

async function copyInParts(
  objects: AppendedObjects,
  source: CopyOrigin,
  { to, replace }: CopyTarget,
): Promise<boolean> {
  if (!replace && (await isThere(objects, to))) return false
  const upload = await objects.begin(to)
  try {
    const parts = await objects.copies.inRanges(source, upload)
    const completion = { condition: replace ? undefined : ABSENT, isOnlyOne: true }
    const isMade = await unlessRefused(
      objects.writes.complete(wholeOf(upload, parts), completion),
      completion,
    )
    if (!isMade) await objects.abandon(upload)
    return isMade
  } catch (error) {
    await objects.abandon(upload)
    throw error
  }
}

/** Reads the bytes and writes them. */
async function carry(
  objects: AppendedObjects,
  { from, object }: CopyOrigin,
  { to, replace }: CopyTarget,
): Promise<boolean> {
  const content = await objects.content(from, object)
  const condition = replace ? undefined : ABSENT
  return unlessRefused(objects.writes.put(to, content, { condition }), { condition })
}

const ABSENT = { absent: true } as const

async function unlessRefused(
  writing: Promise<unknown>,
  { condition }: { condition: Condition },
): Promise<boolean> {
  try {
    await writing
    return true
  } catch (error) {
    if (condition !== undefined && isOther(error)) return false
    throw error
  }
}

async function isThere(objects: AppendedObjects, key: string): Promise<boolean> {
  return (await objects.look(key)) !== undefined
}
