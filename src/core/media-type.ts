/** The media types of manifests, by the names the specifications give them. */
export const MediaType = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
} as const

/** Docker's first kind of manifest, with its signatures and without. */
export const SCHEMA1_TYPES: ReadonlySet<string> = new Set([
  MediaType.dockerSchema1,
  MediaType.dockerSchema1Signed,
])

/** The layers of schema 1, which does not say what they are. */
export const SCHEMA1_LAYER = 'application/vnd.docker.container.image.rootfs.diff+x-gtar'

export const DOCKER_FOREIGN_LAYER = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'

/** Layers that their maker does not let others distribute: clients fetch them from elsewhere. */
export const NON_DISTRIBUTABLE_LAYERS: ReadonlySet<string> = new Set([
  DOCKER_FOREIGN_LAYER,
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
])

/** `type/subtype` of RFC 9110 section 8.3.1: no control character can stand in one. */
const PATTERN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+\/[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** The type of a `Content-Type` header without its parameters; undefined where there is none or it is malformed. */
export function parseMediaType(header: string | undefined): string | undefined {
  const type = header?.split(';', 1)[0]?.trim()
  return type !== undefined && isMediaType(type) ? type.toLowerCase() : undefined
}

/** `; name=value` of RFC 9110 section 5.6.6, the value a token or a quoted string. */
const PARAMETERS =
  /^(?:[ \t]*;[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+=(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+|"(?:[ !#-[\]-~]|\\[ -~])*"))*$/

/** True for a media type with or without parameters, such as `application/x;version=0.2`. */
export function isContentType(text: string): boolean {
  const end = text.search(/[ \t;]/)
  if (end === -1) return isMediaType(text)
  return text.length <= 255 && isMediaType(text.slice(0, end)) && PARAMETERS.test(text.slice(end))
}

export function isMediaType(text: string): boolean {
  return text.length <= 255 && PATTERN.test(text)
}
