/** Repositories with tagged images in Distribution's layout, written as files: more than could be pushed. */
import { hash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface SeededCatalog {
  readonly repositories: number
  /** Of each repository. */
  readonly tags: number
  /** Different ones. Repositories share them if there are fewer than their tags name. */
  readonly images: number
}

/** Tags that name the same image, such as `1`, `1.2`, `1.2.3` and `latest`. */
export const TAGS_PER_IMAGE = 5
/** Top-level namespaces. */
export const NAMESPACES = 200

interface Image {
  readonly manifest: string
  readonly config: string
}

/** @param root the root directory of the storage */
export function makeCatalog(root: string, { repositories, tags, images }: SeededCatalog): void {
  const registry = join(root, 'docker/registry/v2')
  const written = Array.from({ length: images }, (_, index) => writeImage(registry, index))
  const perRepository = Math.ceil(tags / TAGS_PER_IMAGE)
  for (let index = 0; index < repositories; index++) {
    const own = Array.from(
      { length: perRepository },
      (_, image) => written[(index * perRepository + image) % images] as Image,
    )
    writeRepository(join(registry, `repositories/${repositoryName(index)}`), own, tags)
  }
}

export function repositoryName(index: number): string {
  return `team-${index % NAMESPACES}/app-${index}`
}

function writeRepository(folder: string, images: readonly Image[], tags: number): void {
  for (const { manifest, config } of new Set(images)) {
    write(join(folder, '_manifests/revisions', manifest.replace(':', '/'), 'link'), manifest)
    write(join(folder, '_layers', config.replace(':', '/'), 'link'), config)
  }
  for (let index = 0; index < tags; index++) {
    const { manifest } = images[Math.floor(index / TAGS_PER_IMAGE)] as Image
    write(join(folder, `_manifests/tags/v${1000 + index}-${index % 7}/current/link`), manifest)
  }
}

function writeImage(registry: string, index: number): Image {
  const type = 'application/vnd.oci.image'
  const blob = (content: string) => {
    const hex = hash('sha256', content)
    write(join(registry, `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`), content)
    return { digest: `sha256:${hex}`, size: content.length }
  }
  const created = new Date(1.7e12 + index * 60_000).toISOString()
  const config = blob(JSON.stringify({ os: 'linux', architecture: 'amd64', created, config: {} }))
  const layers = Array.from({ length: 4 }, (_, layer) => ({
    mediaType: `${type}.layer.v1.tar+gzip`,
    digest: `sha256:${hash('sha256', `${index} ${layer}`)}`,
    size: 1_000_000 + index * 100 + layer,
  }))
  const mediaType = `${type}.manifest.v1+json`
  const manifest = blob(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType, layers },
      config: { mediaType: `${type}.config.v1+json`, ...config },
    }),
  )
  return { manifest: manifest.digest, config: config.digest }
}

function write(file: string, content: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}
