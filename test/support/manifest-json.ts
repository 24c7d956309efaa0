/** Manifests as the JSON that clients send, each part of which a test can replace. A part set to `undefined` is left
 *  out. The content that they name need not exist. */
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'

type Parts = Record<string, unknown>

export const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** @param name what sets its digest apart from those of other names */
export function descriptorOf(name: string, parts: Parts = {}): Parts {
  return { mediaType: layerType, digest: digestOf(Buffer.from(name)), size: name.length, ...parts }
}

export function imageJson(parts: Parts = {}): Parts {
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: descriptorOf('config', { mediaType: 'application/vnd.oci.image.config.v1+json' }),
    layers: [descriptorOf('layer one'), descriptorOf('layer two')],
    ...parts,
  }
}

export function indexJson(parts: Parts = {}): Parts {
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [
      descriptorOf('amd64', {
        mediaType: MediaType.ociManifest,
        platform: { os: 'linux', architecture: 'amd64' },
      }),
      descriptorOf('arm64', {
        mediaType: MediaType.ociManifest,
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      }),
    ],
    ...parts,
  }
}

export function artifactJson(parts: Parts = {}): Parts {
  return {
    mediaType: MediaType.ociArtifact,
    artifactType: 'application/vnd.example.sbom',
    blobs: [descriptorOf('sbom')],
    ...parts,
  }
}

export function payloadOf(json: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(json))
}
