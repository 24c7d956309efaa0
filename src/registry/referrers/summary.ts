import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import { isDigest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { SmallFiles } from './overlay.ts'

/** What a list says of a manifest. It follows from the manifest's bytes, so it never changes. */
export interface KnownReferrer {
  readonly descriptor: ReferrerDescriptor
  /** True where its annotations are left out because they are long: the manifest has them. */
  readonly abridged?: true
}

/** How long what is kept of one referrer may be, in characters of JSON. */
const MAX_KEPT_LENGTH = 2048

/** What is to be kept of a referrer, so that neither a file of many nor the memory grows with what their makers write. */
export function abridge(descriptor: ReferrerDescriptor): KnownReferrer {
  if (JSON.stringify(descriptor).length <= MAX_KEPT_LENGTH) return { descriptor }
  const { annotations, ...rest } = descriptor
  return { descriptor: rest, abridged: true }
}

/** @returns an empty list for anything that is not what `writeSummary` wrote: a summary is only a shortcut */
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
