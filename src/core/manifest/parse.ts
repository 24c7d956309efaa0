/** Parses manifests. Every digest, size and media type in the result is well-formed, and the payload can be
 *  read as one kind of manifest only. */
import type { Descriptor } from '../descriptor.ts'
import { RegistryError } from '../errors.ts'
import { isMediaType, parseMediaType, SCHEMA1_TYPES } from '../media-type.ts'
import { parseDescriptor, parseReference } from './descriptor.ts'
import { invalidAt, isAbsent, type JsonObject, listIn, parseDocument } from './document.ts'
import { MANIFEST_KEYS, requireExactKeys } from './exact-keys.ts'
import { requireModestJson } from './json-limits.ts'
import { childKind, KINDS, type ManifestKind, mediaTypeByShape } from './kinds.ts'
import { MAX_MANIFEST_BYTES } from './limits.ts'
import type { Manifest, ManifestReference } from './manifest.ts'
import { parseSchema1 } from './schema1/parse.ts'

/** Fields by which clients recognize an image, an index or schema 1. */
const STRUCTURE = ['config', 'layers', 'manifests', 'fsLayers'] as const

/** Content types that some clients send for every manifest; they do not state its kind. */
const UNSPECIFIC_TYPES: ReadonlySet<string> = new Set(['application/json', ''])

const NO_SIGNATURES: readonly Uint8Array[] = []

/** Parses a manifest that is pushed or stored. OCI Image Specification 1.1, "Image Manifest" and "Image
 *  Index"; Docker's "Image Manifest Version 2", schemas 1 and 2. Signatures are not verified.
 *  @param contentType the header of the push; if absent or `application/json`, the payload decides
 *  @throws RegistryError MANIFEST_TOO_LARGE above `MAX_MANIFEST_BYTES`, MANIFEST_UNVERIFIED if the content
 *    type promises signatures that are missing, otherwise MANIFEST_INVALID */
export function parseManifest(payload: Uint8Array, contentType?: string): Manifest {
  return parseWithDocument(payload, contentType).manifest
}

/** Parses a manifest, and returns its JSON too.
 *  @throws as `parseManifest` */
export function parseWithDocument(
  payload: Uint8Array,
  contentType?: string,
): { readonly manifest: Manifest; readonly document: JsonObject } {
  if (payload.length > MAX_MANIFEST_BYTES) {
    throw new RegistryError('MANIFEST_TOO_LARGE', {
      message: `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`,
    })
  }
  requireModestJson(payload)
  const document = parseDocument(payload)
  requireExactKeys(document, MANIFEST_KEYS)
  const mediaType = requireMediaType(document, contentType)
  const kind = KINDS.get(mediaType)
  if (kind === undefined) return { manifest: parseSchema1(payload, document), document }
  requireStructure(document, kind)
  const references = referencesOf(document, kind)
  const manifest: Manifest = {
    mediaType: kind.mediaType,
    payload,
    signatures: NO_SIGNATURES,
    madeFor: undefined,
    subject: subjectOf(document, kind),
    references: () => references,
  }
  return { manifest, document }
}

/** The media type of a stored manifest: the stated one, or else by its shape; schema 1 included. Checks
 *  nothing else, so that everything stored can be served.
 *  @throws RegistryError MANIFEST_INVALID if it has no manifest's shape */
export function mediaTypeOf(payload: Uint8Array): string {
  const document = parseDocument(payload)
  const mediaType = statedMediaType(document) ?? mediaTypeByShape(document)
  if (mediaType !== undefined) return mediaType
  throw new RegistryError('MANIFEST_INVALID', { message: 'the manifest is of no known kind' })
}

/** The media type, if it can be parsed: a kind of the table, or schema 1. */
function requireMediaType(document: JsonObject, contentType: string | undefined): string {
  const declared = declaredMediaType(contentType)
  const stated = statedMediaType(document)
  if (declared !== undefined && stated !== undefined && declared !== stated) {
    throw invalidAt('mediaType', `is ${stated}, but the Content-Type is ${declared}`)
  }
  return requireKnown(declared ?? stated ?? mediaTypeByShape(document), 'mediaType')
}

function declaredMediaType(contentType = ''): string | undefined {
  const header = contentType.trim()
  const mediaType = parseMediaType(header) ?? header
  return UNSPECIFIC_TYPES.has(mediaType) ? undefined : requireKnown(mediaType, 'the Content-Type')
}

function statedMediaType({ mediaType }: JsonObject): string | undefined {
  if (isAbsent(mediaType) || mediaType === '') return undefined
  if (typeof mediaType === 'string' && isMediaType(mediaType)) return mediaType
  throw invalidAt('mediaType', 'is not a media type')
}

function requireKnown(mediaType: string | undefined, place: string): string {
  if (mediaType !== undefined && (KINDS.has(mediaType) || SCHEMA1_TYPES.has(mediaType))) return mediaType
  const problem = mediaType === undefined ? 'is missing' : 'is not supported'
  throw invalidAt(place, `${problem}; accepted are ${[...KINDS.keys()].join(', ')}`)
}

/** No two clients may read one payload as different manifests (CVE-2021-41190). */
function requireStructure(document: JsonObject, kind: ManifestKind): void {
  const { schemaVersion } = document
  if (kind.mustStateMediaType && statedMediaType(document) === undefined) {
    throw invalidAt('mediaType', 'is missing')
  }
  if (kind.schemaVersion !== undefined && schemaVersion !== kind.schemaVersion) {
    throw invalidAt('schemaVersion', isAbsent(schemaVersion) ? 'is missing' : `is not ${kind.schemaVersion}`)
  }
  for (const field of STRUCTURE) {
    const belongs = field === kind.children || (field === 'config' && kind.hasConfig)
    if (!belongs && !isAbsent(document[field])) {
      throw invalidAt(field, `does not belong in ${kind.mediaType}`)
    }
  }
}

function referencesOf(document: JsonObject, kind: ManifestKind): readonly ManifestReference[] {
  const references: ManifestReference[] = []
  if (kind.hasConfig) {
    references.push(parseReference(document.config, 'config', () => ({ kind: 'blob', required: true })))
  }
  const children = listIn(document, kind.children, { optional: kind.mayLackChildren })
  for (const [index, child] of children.entries()) {
    const place = `${kind.children}[${index}]`
    references.push(parseReference(child, place, (mediaType) => childKind(kind.children, mediaType)))
  }
  return references
}

function subjectOf({ subject }: JsonObject, { hasSubject }: ManifestKind): Descriptor | undefined {
  return hasSubject && !isAbsent(subject) ? parseDescriptor(subject, 'subject') : undefined
}
