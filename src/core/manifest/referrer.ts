/** Descriptors for the list of referrers. OCI Image Specification 1.1, "Image Manifest", `subject`; OCI
 *  Distribution Specification 1.1, "Listing Referrers". */
import type { ReferrerDescriptor } from '../descriptor.ts'
import { type Digest, isDigest } from '../digest.ts'
import { type JsonObject, parseDocument } from './document.ts'
import { KINDS } from './kinds.ts'
import { mediaTypeOf } from './parse.ts'

export interface Referrer {
  /** Undefined if the manifest has no subject, or none with a valid digest. */
  readonly subject: Digest | undefined
  readonly descriptor: ReferrerDescriptor
}

/** Parses a stored manifest. Reads only the listed fields, so that everything stored can be listed.
 *  @param digest the digest that it is listed by
 *  @throws RegistryError MANIFEST_INVALID if it has no manifest's shape */
export function parseReferrer(payload: Uint8Array, digest: Digest): Referrer {
  const document = parseDocument(payload)
  const mediaType = mediaTypeOf(payload)
  const artifactType = artifactTypeOf(document)
  const annotations = annotationsOf(document)
  return {
    subject: KINDS.get(mediaType)?.hasSubject ? subjectOf(document) : undefined,
    descriptor: {
      mediaType,
      digest,
      size: payload.length,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations !== undefined && { annotations }),
    },
  }
}

/** The manifests that an index lists; empty for other content. Clients keep such an index under a tag if a
 *  registry has no referrers API: OCI Distribution Specification 1.1, "Referrers Tag Schema". */
export function parseListed(payload: Uint8Array): readonly Digest[] {
  const { manifests } = parseDocument(payload)
  if (!Array.isArray(manifests)) return []
  const digests = manifests.map((entry: unknown) => (isObject(entry) ? entry.digest : undefined))
  return digests.filter((digest) => typeof digest === 'string').filter(isDigest)
}

function subjectOf({ subject }: JsonObject): Digest | undefined {
  const digest = isObject(subject) ? subject.digest : undefined
  return typeof digest === 'string' && isDigest(digest) ? digest : undefined
}

function artifactTypeOf({ artifactType, config }: JsonObject): string | undefined {
  return someText(artifactType) ?? (isObject(config) ? someText(config.mediaType) : undefined)
}

/** The annotations; undefined if there are none. Values that are not text are dropped, so that one manifest
 *  can't break a list. */
export function annotationsOf({ annotations }: JsonObject): ReferrerDescriptor['annotations'] {
  if (!isObject(annotations)) return undefined
  const texts = Object.entries(annotations).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return texts.length > 0 ? Object.fromEntries(texts) : undefined
}

function someText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
