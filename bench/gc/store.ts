/** A store in Distribution's layout, written as files: images with shared layers, a third of which were deleted. */
import { hash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

const ROOT = 'docker/registry/v2'
const IMAGES_PER_REPOSITORY = 50
const SHARED_LAYERS = 3
const OWN_LAYERS = 5
const CONCURRENCY = 32

export interface StoreSize {
  readonly images: number
  readonly blobs: number
  readonly garbage: number
}

/** Writes the store.
 *  @param folder the root directory of a registry, or of a bucket */
export async function writeStore(folder: string, images: number): Promise<StoreSize> {
  const blobs = new Set<string>()
  const kept = new Set<string>()
  const files: (() => Promise<void>)[] = []
  const write = (path: string, content: string) => async () => {
    const file = `${folder}/${ROOT}/${path}`
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
  const blob = (content: string, isKept: boolean): { digest: string; size: number } => {
    const hex = hash('sha256', content, 'hex')
    if (!blobs.has(hex)) files.push(write(`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, content))
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
      files.push(write(`${repository}/_layers/${digest.replace(':', '/')}/link`, digest))
    const manifest = blob(manifestOf(config, layers), isKept).digest
    if (isKept) {
      const manifests = `${repository}/_manifests`
      const place = manifest.replace(':', '/')
      files.push(write(`${manifests}/revisions/${place}/link`, manifest))
      files.push(write(`${manifests}/tags/v${image}/index/${place}/link`, manifest))
      files.push(write(`${manifests}/tags/v${image}/current/link`, manifest))
    }
    while (files.length >= CONCURRENCY) await Promise.all(files.splice(0, CONCURRENCY).map((one) => one()))
  }
  await Promise.all(files.map((one) => one()))
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
