import { randomUUID } from 'node:crypto'
import type { Bucket, Condition } from './bucket.ts'
import { isConditionFailed, isNotImplemented } from './errors.ts'

/** The conditional writes that a store supports. Stores that ignore a condition do not say so, so they are
 *  probed. */
export interface ConditionalWriteSupport {
  /** A `put` fails if an object exists. */
  readonly createOnly: boolean
  /** A `put` fails unless the object has the entity tag. */
  readonly replaceOnly: boolean
  /** A multipart upload is not completed if an object exists, or has another entity tag. */
  readonly completeOnly: boolean
  /** A copy fails if the target exists. */
  readonly copyCreateOnly: boolean
  /** A copy of an object, or of a range of it, fails unless the source has the entity tag. */
  readonly copySourceOnly: boolean
}

export const NO_CONDITIONAL_WRITES: ConditionalWriteSupport = {
  createOnly: false,
  replaceOnly: false,
  completeOnly: false,
  copyCreateOnly: false,
  copySourceOnly: false,
}

/** An object of the probe. */
interface Probed {
  readonly key: string
  readonly etag: string
}

const CONTENT = Buffer.from('a probe of the capabilities of the store; it can be removed')

/** Matches no content of the probe. */
const OTHER_ETAG = '"00000000000000000000000000000000"'
const ABSENT = { absent: true } as const

/** Probes a store with small objects below the prefix, which no path can contain, and removes them.
 *  @throws the SDK's error if the bucket is not writable */
export async function probeConditionalWrites(
  bucket: Bucket,
  prefix: string,
): Promise<ConditionalWriteSupport> {
  const key = `${prefix}~probe.${randomUUID()}`
  const [copy, whole] = [`${key}.copy`, `${key}.parts`]
  try {
    const source = { key, etag: await bucket.put(key, CONTENT) }
    const [puts, copies, parts] = [
      await probePuts(bucket, source),
      await probeCopies(bucket, source, copy),
      await probeParts(bucket, source, whole),
    ]
    const { copyCreateOnly, copiesWhole } = copies
    const { completeOnly, copiesRanges } = parts
    return { ...puts, completeOnly, copyCreateOnly, copySourceOnly: copiesWhole && copiesRanges }
  } finally {
    await bucket.removeAll([key, copy, whole])
  }
}

async function probePuts(bucket: Bucket, { key, etag }: Probed) {
  const put = (condition: Condition) => bucket.put(key, CONTENT, { condition })
  const createOnly = await refuses(() => put(ABSENT))
  const replaceOnly = (await refuses(() => put({ etag: OTHER_ETAG }))) && (await accepts(() => put({ etag })))
  return { createOnly, replaceOnly }
}

async function probeCopies(bucket: Bucket, { key, etag }: Probed, to: string) {
  const copiesWhole =
    (await refuses(() => bucket.copy(key, to, { etag: OTHER_ETAG }))) &&
    (await accepts(() => bucket.copy(key, to, { etag })))
  if (!copiesWhole) await bucket.copy(key, to)
  const copyCreateOnly = await refuses(() => bucket.copy(key, to, { condition: ABSENT }))
  return { copyCreateOnly, copiesWhole }
}

/** If the store ignores a condition, the upload is completed by the first request. */
async function probeParts(bucket: Bucket, source: Probed, key: string) {
  const etag = await bucket.put(key, CONTENT)
  const upload = { key, uploadId: await bucket.createUpload(key) }
  const range = { from: source.key, start: 0, end: CONTENT.byteLength - 1 }
  const copyPart = (tag: string) => bucket.copyPart(upload, 1, { ...range, etag: tag })
  try {
    const copiesRanges =
      (await refuses(() => copyPart(OTHER_ETAG))) && (await accepts(() => copyPart(source.etag)))
    const parts = [await bucket.putPart(upload, 1, CONTENT)]
    const complete = (condition: Condition) => bucket.completeUpload(upload, parts, condition)
    const completeOnly =
      (await refuses(() => complete(ABSENT))) &&
      (await refuses(() => complete({ etag: OTHER_ETAG }))) &&
      (await accepts(() => complete({ etag })))
    return { completeOnly, copiesRanges }
  } finally {
    await bucket.abortUpload(upload).catch(() => undefined) // found later by incompleteUploads()
  }
}

/** True if the store reports a failed condition. */
async function refuses(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return false
  } catch (error) {
    if (isConditionFailed(error)) return true
    if (isNotImplemented(error)) return false
    throw error
  }
}

async function accepts(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    if (isConditionFailed(error) || isNotImplemented(error)) return false
    throw error
  }
}
