/** A store in Distribution's layout, written as files: images with shared layers, a third of which were deleted. */
import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const ROOT = 'docker/registry/v2'
const IMAGES_PER_REPOSITORY = 50
const SHARED_LAYERS = 3
const OWN_LAYERS = 8

export interface StoreSize {
  readonly images: number
  readonly blobs: number
  readonly garbage: number
}

/** Writes the store, with ten blobs for each image. Synchronously, which is several times as fast.
 *  @param folder the root directory of a registry, or of a bucket */
export function writeStore(folder: string, images: number): StoreSize {
  const blobs = new Set<string>()
  const kept = new Set<string>()
  const write = (path: string, content: string) => {
    const file = `${folder}/${ROOT}/${path}`
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  const blob = (content: string, isKept: boolean): { digest: string; size: number } => {
    const hex = hash('sha256', content, 'hex')
    if (!blobs.has(hex)) write(`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, content)
    blobs.add(hex)
    if (isKept) kept.add(hex)
    return { digest: `sha256:${hex}`, size: content.length }
  }
  for (let image = 0; image < images; image++) {
    const isKept = image % 3 !== 0
    const repository = `repositories/team/app-${Math.floor(image / IMAGES_PER_REPOSITORY)}`
    const layers = [
      ...Array.from({ length: SHARED_LAYERS }, (_, index) => `shared ${(image * 7 + index) % (images / 10)}`),
      ...Array.from({ length: OWN_LAYERS }, (_, index) => `layer ${index} of ${image} ${'x'.repeat(1_000)}`),
    ].map((content) => blob(content, isKept))
    const config = blob(`{"image":${image}}`, isKept)
    for (const { digest } of [config, ...layers])
      write(`${repository}/_layers/${digest.replace(':', '/')}/link`, digest)
    const manifest = blob(manifestOf(config, layers), isKept).digest
    if (isKept) {
      const manifests = `${repository}/_manifests`
      const place = manifest.replace(':', '/')
      write(`${manifests}/revisions/${place}/link`, manifest)
      write(`${manifests}/tags/v${image}/index/${place}/link`, manifest)
      write(`${manifests}/tags/v${image}/current/link`, manifest)
    }
  }
  return { images, blobs: blobs.size, garbage: blobs.size - kept.size }
}

function manifestOf(config: Described, layers: readonly Described[]): string {
  const type = 'application/vnd.oci.image'
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: layers.map((layer) => ({ mediaType: `${type}.layer.v1.tar+gzip`, ...layer })),
  })
}

interface Described {
  readonly digest: string
  readonly size: number
}
