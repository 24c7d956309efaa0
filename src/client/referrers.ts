import type { ReferrerDescriptor } from '../core/descriptor.ts'
import { isDigest } from '../core/digest.ts'
import { isContentType } from '../core/media-type.ts'

/** The referrers in an index; what is no descriptor is left out. */
export function referrersIn(index: unknown): ReferrerDescriptor[] {
  const { manifests } = Object(index) as { manifests?: unknown }
  return Array.isArray(manifests) ? manifests.flatMap((entry) => descriptorOf(Object(entry)) ?? []) : []
}

function descriptorOf(entry: Record<string, unknown>): ReferrerDescriptor | undefined {
  const { mediaType, digest, size, artifactType, annotations } = entry
  if (typeof mediaType !== 'string' || !isContentType(mediaType)) return undefined
  if (typeof digest !== 'string' || !isDigest(digest) || !Number.isSafeInteger(size)) return undefined
  return {
    ...{ mediaType, digest, size: size as number },
    ...(typeof artifactType === 'string' && { artifactType }),
    ...(isTexts(annotations) && { annotations }),
  }
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((text) => typeof text === 'string')
  )
}
