import pLimit from 'p-limit'
import type { AppendedObjects } from './appended-object.ts'
import type { Condition, Part } from './bucket.ts'
import { isConditionFailed, isOther } from './errors.ts'
import type { MarkedUpload } from './record.ts'
import type { S3Settings } from './settings.ts'
import type { StoredObject } from './versions.ts'

export type CopySettings = Pick<
  S3Settings,
  'chunksize' | 'multipartcopythresholdsize' | 'multipartcopychunksize' | 'multipartcopymaxconcurrency'
>

/** An object by what tells it from others, so that none is copied in its place. */
export interface CopySource {
  readonly from: string
  readonly object: StoredObject
}

export interface CopyTarget {
  readonly to: string
  /** False where an object that stands there stays. */
  readonly replace: boolean
  readonly settings: CopySettings
}

/** What one request copies at most. https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html */
const MAX_COPY_BYTES = 5 * 1024 ** 3
const MAX_PARTS = 10_000

/** How many ranges of an upload are held in memory where the store can't be trusted to copy them. */
const MAX_HELD_RANGES = 2

/** Copies an object within the store: in one request, or in parts side by side. Where the store can't be told which object is
 *  meant, the bytes come through here, and the answer that brings them says of which object they are.
 *  @returns false when an object stands there that is not to be replaced
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when the source is another by now, or gone; what the SDK throws */
export async function copyObject(
  objects: AppendedObjects,
  source: CopySource,
  target: CopyTarget,
): Promise<boolean> {
  if (await wayFor(objects, source, target)(objects, source, target)) return true
  // The condition that did not hold may have been the one on the source.
  await objects.require(source.from, source.object)
  return false
}

/** Makes an object the first parts of an upload. */
export async function copyRanges(
  objects: AppendedObjects,
  { from, object }: CopySource,
  { upload, settings }: { upload: MarkedUpload; settings: CopySettings },
): Promise<Part[]> {
  const { bucket, abilities } = objects
  const [partBytes, atOnce] = abilities.copySourceOnly
    ? [settings.multipartcopychunksize, settings.multipartcopymaxconcurrency]
    : [settings.chunksize, MAX_HELD_RANGES]
  const limit = pLimit(atOnce)
  try {
    return await limit.map(ranges(object.size, partBytes), async ({ start, end }, index) => {
      if (abilities.copySourceOnly)
        return bucket.copyPart(upload, index + 1, { from, etag: object.etag, start, end })
      return bucket.putPart(upload, index + 1, await objects.content(from, object, `bytes=${start}-${end}`))
    })
  } finally {
    limit.clearQueue()
  }
}

type Way = (objects: AppendedObjects, source: CopySource, target: CopyTarget) => Promise<boolean>

function wayFor({ abilities }: AppendedObjects, { object }: CopySource, { settings }: CopyTarget): Way {
  if (object.size > Math.min(settings.multipartcopythresholdsize, MAX_COPY_BYTES)) return copyInParts
  if (abilities.copySourceOnly) return copyWhole
  return object.size > settings.chunksize ? copyInParts : carry
}

async function copyWhole(
  objects: AppendedObjects,
  { from, object }: CopySource,
  { to, replace }: CopyTarget,
): Promise<boolean> {
  const { copyCreateOnly } = objects.abilities
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
  source: CopySource,
  { to, replace, settings }: CopyTarget,
): Promise<boolean> {
  if (!replace && (await isThere(objects, to))) return false
  const upload = await objects.begin(to)
  try {
    const parts = await copyRanges(objects, source, { upload, settings })
    const completion = { condition: replace ? undefined : ABSENT, isOnlyOne: true }
    const made = objects.writes.complete({ upload, parts, tail: NOTHING }, completion)
    const isMade = await unlessRefused(made, completion)
    if (!isMade) await abort(objects, upload)
    return isMade
  } catch (error) {
    await abort(objects, upload)
    throw error
  }
}

/** Brings the bytes here and sends them there. */
async function carry(
  objects: AppendedObjects,
  { from, object }: CopySource,
  { to, replace }: CopyTarget,
): Promise<boolean> {
  const content = await objects.content(from, object)
  const condition = replace ? undefined : ABSENT
  return unlessRefused(objects.writes.put(to, content, { condition }), { condition })
}

const ABSENT = { absent: true } as const
const NOTHING = new Uint8Array()

async function abort({ bucket }: AppendedObjects, upload: MarkedUpload): Promise<void> {
  // What can't be aborted now is found when leftovers are.
  await bucket.abortUpload(upload).catch(() => undefined)
}

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

/** Of about the same length each, and none shorter than was asked for: a part may not be too short. */
function ranges(size: number, partBytes: number): { start: number; end: number }[] {
  const count = Math.min(Math.max(1, Math.floor(size / partBytes)), MAX_PARTS)
  const startOf = (index: number) => Math.floor((index * size) / count)
  return Array.from({ length: count }, (_, index) => ({ start: startOf(index), end: startOf(index + 1) - 1 }))
}
