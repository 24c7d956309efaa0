/** What an artifact is, by what it says of itself. */
import type { Manifest } from './manifest.ts'

export type Kind =
  | 'image'
  | 'index'
  | 'chart'
  | 'wasm'
  | 'model'
  | 'signature'
  | 'sbom'
  | 'attestation'
  | 'scan'
  | 'artifact'

export const KIND_NAMES: Readonly<Record<Kind, string>> = {
  image: 'Image',
  index: 'Image index',
  chart: 'Helm chart',
  wasm: 'WebAssembly',
  model: 'Model',
  signature: 'Signature',
  sbom: 'SBOM',
  attestation: 'Attestation',
  scan: 'Scan report',
  artifact: 'Artifact',
}

const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]
const IMAGE_CONFIGS = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.docker.plugin.v1+json',
]

/** Artifact types, and media types of configurations, by kind. The first match counts. */
const TYPES: readonly [RegExp, Kind][] = [
  [/helm\.(?:config|chart)/, 'chart'],
  [/wasm/, 'wasm'],
  [/\b(?:ai\.model|cncf\.model|ollama|modelkit)\b|kitops/, 'model'],
  [/cosign\.artifact\.sig|notary\.signature|cosign\.simplesigning/, 'signature'],
  [/spdx|cyclonedx|syft|sbom/, 'sbom'],
  [/in-toto|cosign\.artifact\.att|slsa|dsse/, 'attestation'],
  [/sarif|vuln|trivy|security\.report/, 'scan'],
  [/sigstore\.bundle/, 'signature'],
]

/** The kind of an artifact type, or of the media type of a configuration; undefined for unknown ones. */
export function kindOfType(type: string): Kind | undefined {
  const lower = type.toLowerCase()
  return TYPES.find(([pattern]) => pattern.test(lower))?.[1]
}

export function kindOf(manifest: Manifest): Kind {
  const { manifests, config, artifactType, layers } = manifest
  if (manifests !== undefined) return kindOfType(artifactType) ?? 'index'
  const declared = kindOfType(artifactType) ?? kindOfType(config?.mediaType ?? '')
  if (declared !== undefined) return declared
  const [layer] = layers
  const byLayer = layer && kindOfType(layer.mediaType)
  if (byLayer !== undefined && byLayer !== 'wasm') return byLayer
  if (config !== undefined && IMAGE_CONFIGS.includes(config.mediaType)) return 'image'
  return byLayer ?? 'artifact'
}

/** The kind of a row in a list, of which less is known. */
export function kindOfRow({
  mediaType,
  artifactType,
}: {
  mediaType: string
  artifactType: string | null
}): Kind {
  if (artifactType !== null && artifactType !== '') return kindOfType(artifactType) ?? 'artifact'
  return INDEX_TYPES.includes(mediaType) ? 'index' : 'image'
}
