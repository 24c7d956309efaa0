import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { isDigest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { SmallFiles } from './overlay.ts'

/** A descriptor derived from the manifest's immutable bytes. */
export interface KnownReferrer {
  readonly descriptor: ReferrerDescriptor
  /** True if its long annotations were left out; the manifest has them. */
  readonly abridged?: true
}

/** Limit of a stored referrer, in characters of JSON. */
const MAX_KEPT_LENGTH = 2048

/** Shortens a referrer, so that neither summaries nor memory grow with the size of annotations. */
export function abridge(descriptor: ReferrerDescriptor): KnownReferrer {
  if (JSON.stringify(descriptor).length <= MAX_KEPT_LENGTH) return { descriptor }
  const { annotations, ...rest } = descriptor
  return { descriptor: rest, abridged: true }
}

/** Reads a summary, which is only a cache.
 *  @returns an empty list unless `writeSummary` wrote the file */
export async function readSummary(own: SmallFiles, path: string): Promise<readonly KnownReferrer[]> {
  try {
    return parseSummary(Buffer.from(await own.get(path)).toString())
  } catch (error) {
    if (isPathNotFound(error)) return []
    throw error
  }
}

export function writeSummary(
  own: SmallFiles,
  path: string,
  referrers: readonly KnownReferrer[],
): Promise<void> {
  return own.put(path, Buffer.from(JSON.stringify(referrers)), { durable: false })
}

function parseSummary(text: string): readonly KnownReferrer[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
  return Array.isArray(value) && value.every(isKnownReferrer) ? value : []
}

function isKnownReferrer(value: unknown): value is KnownReferrer {
  const { descriptor } = (value ?? {}) as Partial<KnownReferrer>
  const { mediaType, digest, size, artifactType } = descriptor ?? ({} as Partial<ReferrerDescriptor>)
  return (
    typeof mediaType === 'string' &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    Number.isSafeInteger(size) &&
    ['string', 'undefined'].includes(typeof artifactType)
  )
}
