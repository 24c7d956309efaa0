import { randomUUID } from 'node:crypto'
import type { Bucket, Condition } from './bucket.ts'
import { isConditionFailed, isNotImplemented } from './errors.ts'

/** Which conditions of a write the store honours. One that ignores a condition says nothing: it has to be tried. */
export interface Abilities {
  /** An object is put only where there is none. */
  readonly createOnly: boolean
  /** An object is put only over the one that is meant. */
  readonly replaceOnly: boolean
  /** An object is copied only to where there is none. */
  readonly copyCreateOnly: boolean
}

export const NO_ABILITIES: Abilities = { createOnly: false, replaceOnly: false, copyCreateOnly: false }

/** Writes small objects under the prefix, which no path can name, and removes them.
 *  @throws what the SDK throws, when the bucket can't be written to */
export async function probeAbilities(bucket: Bucket, prefix: string): Promise<Abilities> {
  const key = `${prefix}~probe.${randomUUID()}`
  const copy = `${key}.copy`
  const content = Buffer.from('a probe of what the store can do; it can be removed')
  try {
    const etag = await bucket.put(key, content)
    const isRefused = (condition: Condition) => refuses(() => bucket.put(key, content, { condition }))
    const createOnly = await isRefused({ absent: true })
    const replaceOnly =
      (await isRefused({ etag: OTHER_ETAG })) && (await accepts(bucket, { key, etag, content }))
    await bucket.copy(key, copy)
    const copyCreateOnly = await refuses(() => bucket.copy(key, copy, { condition: { absent: true } }))
    return { createOnly, replaceOnly, copyCreateOnly }
  } finally {
    await bucket.removeAll([key, copy])
  }
}

/** Of no content that is put here. */
const OTHER_ETAG = '"00000000000000000000000000000000"'

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

async function accepts(
  bucket: Bucket,
  { key, etag, content }: { key: string; etag: string; content: Uint8Array },
): Promise<boolean> {
  return !(await refuses(() => bucket.put(key, content, { condition: { etag } })))
}
