/** Manifests as the page reads them. Every field is a pusher's, so none is trusted to have its type. */

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType: string
  readonly annotations: Readonly<Record<string, string>>
  readonly platform: Platform | undefined
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant: string
  readonly osVersion: string
}

export interface Manifest {
  readonly mediaType: string
  readonly digest: string
  /** The manifest's own size in bytes. */
  readonly size: number
  readonly artifactType: string
  readonly annotations: Readonly<Record<string, string>>
  /** Undefined for an index. */
  readonly config: Descriptor | undefined
  readonly layers: readonly Descriptor[]
  /** The manifests of an index; undefined for other manifests. */
  readonly manifests: readonly Descriptor[] | undefined
  readonly subject: Descriptor | undefined
  /** The manifest as it was pushed. */
  readonly text: string
}

export const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
].join(', ')

type Json = Readonly<Record<string, unknown>>

export function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

export function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export function asNumber(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : 0
}

/** The entries of an object whose values are texts. */
export function asTexts(value: unknown): Record<string, string> {
  const entries = Object.entries(asObject(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return Object.fromEntries(entries)
}

/** @throws SyntaxError if the text is not JSON */
export function parseManifest(
  text: string,
  { mediaType, digest }: { mediaType: string; digest: string },
): Manifest {
  const json = asObject(JSON.parse(text))
  const isIndex = Array.isArray(json.manifests)
  return {
    mediaType: mediaType || asText(json.mediaType),
    digest,
    size: new TextEncoder().encode(text).length,
    artifactType: asText(json.artifactType),
    annotations: asTexts(json.annotations),
    config: isIndex || json.config === undefined ? undefined : parseDescriptor(json.config),
    // The artifact manifest of a draft of OCI 1.1 calls its layers blobs.
    layers: asList(json.layers ?? json.blobs).map(parseDescriptor),
    manifests: isIndex ? asList(json.manifests).map(parseDescriptor) : undefined,
    subject: json.subject === undefined ? undefined : parseDescriptor(json.subject),
    text,
  }
}

export function parseDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size, artifactType, annotations, platform } = asObject(value)
  return {
    mediaType: asText(mediaType),
    digest: asText(digest),
    size: asNumber(size),
    artifactType: asText(artifactType),
    annotations: asTexts(annotations),
    platform: platform === undefined ? undefined : parsePlatform(platform),
  }
}

export function parsePlatform(value: unknown): Platform {
  const json = asObject(value)
  return {
    os: asText(json.os),
    architecture: asText(json.architecture),
    variant: asText(json.variant),
    osVersion: asText(json['os.version']),
  }
}

/** `linux/arm64/v8`. */
export function formatPlatform({ os, architecture, variant, osVersion }: Platform): string {
  const name = [os, architecture, variant].filter(Boolean).join('/')
  return osVersion === '' ? name : `${name} ${osVersion}`
}

/** The descriptors of an index that are images or artifacts of their own. BuildKit puts attestations beside
 *  them; those have no platform. */
export function splitIndex(manifests: readonly Descriptor[]): {
  readonly images: readonly Descriptor[]
  /** Attestations by the digest of the image that they describe. */
  readonly attestations: ReadonlyMap<string, readonly Descriptor[]>
} {
  const images: Descriptor[] = []
  const attestations = new Map<string, Descriptor[]>()
  for (const descriptor of manifests) {
    const { annotations } = descriptor
    if (annotations['vnd.docker.reference.type'] !== 'attestation-manifest') images.push(descriptor)
    else {
      const subject = annotations['vnd.docker.reference.digest'] ?? ''
      attestations.set(subject, [...(attestations.get(subject) ?? []), descriptor])
    }
  }
  return { images, attestations }
}

/** Bytes that a pull transfers: the configuration and the layers. */
export function contentSize({ config, layers }: Manifest): number {
  return (config?.size ?? 0) + layers.reduce((sum, { size }) => sum + size, 0)
}
