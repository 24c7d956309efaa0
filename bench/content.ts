/** The pushed content: random bytes, and manifests of images made of them. */
import { createHash, randomBytes } from 'node:crypto'
import { frame, LAST_CHUNK } from './send-body.ts'

export interface Content {
  readonly digest: string
  readonly mediaType: string
  readonly bytes: Buffer
}

/** Content too large to hold: the same random block again and again, then a few bytes of its own. */
export interface StreamedContent {
  readonly digest: string
  readonly size: number
  /** The bytes as a body in chunks, those that docker sends. */
  chunks(): Iterable<Buffer>
  /** The bytes. */
  pieces(): Iterable<Buffer>
}

const manifestMediaType = 'application/vnd.oci.image.manifest.v1+json'
const configMediaType = 'application/vnd.oci.image.config.v1+json'
const layerMediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** A layer of `size` random bytes. */
export function randomLayer(size: number): Content {
  return describe(randomBytes(size), layerMediaType)
}

export interface Image {
  readonly blobs: readonly Content[]
  readonly manifest: Content
}

/** A small image: three layers of 1–10 KiB and a config, all unique, and the manifest that names them. */
export function randomImage(): Image {
  return imageOf([1, 2, 3].map(() => randomLayer(1024 + Math.floor(Math.random() * 9 * 1024))))
}

/** An image of `count` layers of `size` bytes. */
export function largeImage(count: number, size: number): Image {
  return imageOf(Array.from({ length: count }, () => randomLayer(size)))
}

function imageOf(layers: readonly Content[]): Image {
  const rootfs = { type: 'layers', diff_ids: layers.map((layer) => layer.digest) }
  const config = describeJson({ architecture: 'amd64', os: 'linux', rootfs }, configMediaType)
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestMediaType,
    config: descriptor(config),
    layers: layers.map(descriptor),
  }
  return { blobs: [...layers, config], manifest: describeJson(manifest, manifestMediaType) }
}

const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** `count` different contents of `size` bytes each, up to 4 MiB or a multiple of that; the bytes are hashed here, once. */
export function streamedContents(count: number, size: number): StreamedContent[] {
  const blockBytes = Math.min(size, MAX_BLOCK_BYTES)
  const block = randomBytes(blockBytes)
  const ownBytes = 32
  const shared = createHash('sha256')
  for (let hashed = 0; hashed < size - blockBytes; hashed += blockBytes) shared.update(block)
  shared.update(block.subarray(ownBytes))
  const framedBlock = frame(block)
  const framedRest = frame(block.subarray(ownBytes))
  return Array.from({ length: count }, () => {
    const own = randomBytes(ownBytes)
    return {
      digest: `sha256:${shared.copy().update(own).digest('hex')}`,
      size,
      *chunks() {
        for (let sent = 0; sent < size - blockBytes; sent += blockBytes) yield framedBlock
        yield framedRest
        yield frame(own)
        yield LAST_CHUNK
      },
      *pieces() {
        for (let sent = 0; sent < size - blockBytes; sent += blockBytes) yield block
        yield block.subarray(ownBytes)
        yield own
      },
    }
  })
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function describe(bytes: Buffer, mediaType: string): Content {
  return { digest: digestOf(bytes), mediaType, bytes }
}

function describeJson(value: unknown, mediaType: string): Content {
  return describe(Buffer.from(JSON.stringify(value)), mediaType)
}

function descriptor(content: Content): { mediaType: string; digest: string; size: number } {
  return { mediaType: content.mediaType, digest: content.digest, size: content.bytes.length }
}
