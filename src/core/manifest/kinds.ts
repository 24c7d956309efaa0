/** The kinds of manifests that can be pushed, in one table: they differ in their required fields and in the
 *  field of their children. */
import { MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import type { JsonObject } from './document.ts'
import type { ManifestReference } from './manifest.ts'

export interface ManifestKind {
  readonly mediaType: string
  /** False if the payload may omit `mediaType`. */
  readonly mustStateMediaType: boolean
  readonly schemaVersion: 2 | undefined
  readonly hasConfig: boolean
  readonly hasSubject: boolean
  /** The field that lists the children. */
  readonly children: 'layers' | 'manifests' | 'blobs'
  readonly mayLackChildren: boolean
}

const DOCKER_IMAGE: ManifestKind = {
  mediaType: MediaType.dockerManifest,
  mustStateMediaType: true,
  schemaVersion: 2,
  hasConfig: true,
  hasSubject: false,
  children: 'layers',
  mayLackChildren: false,
}

const DOCKER_LIST: ManifestKind = {
  ...DOCKER_IMAGE,
  mediaType: MediaType.dockerManifestList,
  hasConfig: false,
  children: 'manifests',
}

const OCI_IMAGE: ManifestKind = {
  ...DOCKER_IMAGE,
  mediaType: MediaType.ociManifest,
  mustStateMediaType: false,
  hasSubject: true,
}

const OCI_INDEX: ManifestKind = {
  ...OCI_IMAGE,
  mediaType: MediaType.ociIndex,
  hasConfig: false,
  children: 'manifests',
}

/** Artifact manifest of the release candidates of OCI Image Specification 1.1; some registries still hold
 *  some. */
const OCI_ARTIFACT: ManifestKind = {
  mediaType: MediaType.ociArtifact,
  mustStateMediaType: true,
  schemaVersion: undefined,
  hasConfig: false,
  hasSubject: true,
  children: 'blobs',
  mayLackChildren: true,
}

export const KINDS: ReadonlyMap<string, ManifestKind> = new Map(
  [DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX, OCI_ARTIFACT].map((kind) => [kind.mediaType, kind]),
)

/** The media type of a document that does not state it, by its shape. Undefined if it has no manifest's
 *  shape. */
export function mediaTypeByShape(document: JsonObject): string | undefined {
  if (isSchema1(document))
    return document.signatures ? MediaType.dockerSchema1Signed : MediaType.dockerSchema1
  if (document.manifests !== undefined) return MediaType.ociIndex
  if (document.config !== undefined) return MediaType.ociManifest
  return undefined
}

/** Recognizes Docker's schema 1, which states no media type. */
function isSchema1({ schemaVersion, fsLayers }: JsonObject): boolean {
  return schemaVersion === 1 || fsLayers !== undefined
}

const MANIFEST_TYPES: ReadonlySet<string> = new Set(Object.values(MediaType))

/** The kind of a child, by its field and media type. */
export function childKind(
  children: ManifestKind['children'],
  mediaType: string,
): Pick<ManifestReference, 'kind' | 'required'> {
  if (children === 'manifests')
    return { kind: MANIFEST_TYPES.has(mediaType) ? 'manifest' : 'either', required: true }
  return { kind: 'blob', required: !NON_DISTRIBUTABLE_LAYERS.has(mediaType) }
}
