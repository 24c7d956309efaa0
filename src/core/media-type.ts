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

/** The media types of Docker's schema 1, signed and unsigned. */
export const SCHEMA1_TYPES: ReadonlySet<string> = new Set([
  MediaType.dockerSchema1,
  MediaType.dockerSchema1Signed,
])

/** The media type of schema 1's layers, which the manifest does not state. */
export const SCHEMA1_LAYER = 'application/vnd.docker.container.image.rootfs.diff+x-gtar'

export const DOCKER_FOREIGN_LAYER = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'

/** Layers that may not be redistributed: clients fetch them from the URLs in the manifest. */
export const NON_DISTRIBUTABLE_LAYERS: ReadonlySet<string> = new Set([
  DOCKER_FOREIGN_LAYER,
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
])

/** `type/subtype`, RFC 9110 section 8.3.1. Admits no control characters. */
const PATTERN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+\/[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** The media type in a `Content-Type` header, without parameters. Undefined if the header is absent or
 *  malformed. */
export function parseMediaType(header: string | undefined): string | undefined {
  const type = header?.split(';', 1)[0]?.trim()
  return type !== undefined && isMediaType(type) ? type.toLowerCase() : undefined
}

/** `; name=value`, RFC 9110 section 5.6.6; the value is a token or a quoted string. */
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
