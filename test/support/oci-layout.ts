/** OCI image layouts on disk (OCI Image Specification 1.1, "Image Layout"), which the clients push from. */
import { createCipheriv, createHash, type Hash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  type Content,
  type Descriptor,
  type Image,
  type ImageIndex,
  imageConfig,
  imageManifest,
  type Layer,
  mediaTypes,
} from './oci-image.ts'
import { tarEnd, tarHeader, tarPadding } from './tar.ts'

/** Writes a layout that holds one image or index under a tag. */
export async function writeLayout(folder: string, { tag, root }: { tag: string; root: Image | ImageIndex }) {
  const images = 'images' in root ? root.images : [root]
  const contents = images.flatMap((image) => [image.manifest, image.config, ...image.layers])
  await writeContents(folder, [root.manifest, ...contents])
  await writeTop(folder, { tag, manifest: root.manifest.descriptor })
}

/** Writes a layout with an image of a single layer, which holds one file of `sizeBytes` and is not compressed. The layer
 *  is made as it is written, so it may be larger than the memory. */
export async function writeLargeLayout(
  folder: string,
  { tag, sizeBytes }: { tag: string; sizeBytes: number },
) {
  const layer = await writeLargeLayer(folder, sizeBytes)
  const config = imageConfig([layer])
  const manifest = imageManifest(config, [layer])
  await writeContents(folder, [config, manifest])
  await writeTop(folder, { tag, manifest: manifest.descriptor })
  return { layer: layer.descriptor, manifest: manifest.descriptor }
}

function blobPath(folder: string, digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'))
}

async function writeContents(folder: string, contents: readonly Content[]): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  for (const { descriptor, bytes } of contents) await writeFile(blobPath(folder, descriptor.digest), bytes)
}

async function writeTop(folder: string, { tag, manifest }: { tag: string; manifest: Descriptor }) {
  const annotations = { 'org.opencontainers.image.ref.name': tag }
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [{ ...manifest, annotations }] }
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(folder, 'index.json'), JSON.stringify(index))
}

async function writeLargeLayer(folder: string, sizeBytes: number): Promise<Layer> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const unnamed = join(folder, 'layer')
  const hash = createHash('sha256')
  await pipeline(
    hashed(largeArchive(sizeBytes), hash),
    createWriteStream(unnamed, { highWaterMark: 4 << 20 }),
  )
  const digest = `sha256:${hash.digest('hex')}`
  await rename(unnamed, blobPath(folder, digest))
  return {
    descriptor: { mediaType: mediaTypes.plainLayer, digest, size: archiveBytes(sizeBytes) },
    diffId: digest,
  }
}

function archiveBytes(sizeBytes: number): number {
  return (
    tarHeader('large', { size: sizeBytes }).length + sizeBytes + tarPadding(sizeBytes).length + tarEnd.length
  )
}

function* largeArchive(sizeBytes: number): Generator<Buffer> {
  yield tarHeader('large', { size: sizeBytes })
  yield* keyStream(sizeBytes)
  yield tarPadding(sizeBytes)
  yield tarEnd
}

/** Bytes without a pattern, at the speed of AES. */
function* keyStream(sizeBytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16))
  const zeros = Buffer.alloc(1 << 20)
  for (let left = sizeBytes; left > 0; left -= zeros.length) {
    yield cipher.update(zeros.subarray(0, Math.min(left, zeros.length)))
  }
}

function* hashed(chunks: Iterable<Buffer>, hash: Hash): Generator<Buffer> {
  for (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
}
