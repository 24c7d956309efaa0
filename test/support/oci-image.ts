/** Small real images, made in memory: layers with files in them, a configuration, a manifest, an index. */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { type TarFile, tarOf } from './tar.ts'

export const mediaTypes = {
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  plainLayer: 'application/vnd.oci.image.layer.v1.tar',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
} as const

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export interface Platform {
  readonly os: string
  readonly architecture: string
}

export interface Layer {
  readonly descriptor: Descriptor
  /** The digest of the archive before it was compressed. */
  readonly diffId: string
}

export interface Content {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}

export interface ContentLayer extends Layer, Content {}

/** A manifest with the blobs that it names. */
export interface Image {
  readonly manifest: Content
  readonly config: Content
  readonly layers: readonly ContentLayer[]
}

export interface ImageIndex {
  readonly manifest: Content
  readonly images: readonly Image[]
}

const linuxAmd64: Platform = { os: 'linux', architecture: 'amd64' }

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function contentOf(bytes: Buffer, mediaType: string): Content {
  return { descriptor: { mediaType, digest: sha256(bytes), size: bytes.length }, bytes }
}

export function gzippedLayer(files: readonly TarFile[]): ContentLayer {
  const archive = tarOf(files)
  return { ...contentOf(gzipSync(archive), mediaTypes.layer), diffId: sha256(archive) }
}

export function imageConfig(layers: readonly Layer[], platform: Platform = linuxAmd64): Content {
  const config = {
    created: '2026-01-02T15:04:05Z',
    ...platform,
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map((_, number) => ({ created_by: `layer ${number}` })),
  }
  return jsonContent(config, mediaTypes.config)
}

/** @param subject the manifest that this one says something of */
export function imageManifest(config: Content, layers: readonly Layer[], subject?: Descriptor): Content {
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
    subject,
  }
  return jsonContent(manifest, mediaTypes.manifest)
}

export function imageOf(layers: readonly ContentLayer[], platform: Platform = linuxAmd64): Image {
  const config = imageConfig(layers, platform)
  return { manifest: imageManifest(config, layers), config, layers }
}

/** An index that offers each image for its platform. */
export function indexOf(variants: ReadonlyArray<{ image: Image; platform: Platform }>): ImageIndex {
  const manifests = variants.map(({ image, platform }) => ({ ...image.manifest.descriptor, platform }))
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests }
  return { manifest: jsonContent(index, mediaTypes.index), images: variants.map(({ image }) => image) }
}

function jsonContent(value: unknown, mediaType: string): Content {
  return contentOf(Buffer.from(JSON.stringify(value)), mediaType)
}
