import type { Descriptor } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import { isErrorOf, RegistryError } from '../errors.ts'
import { type JsonObject, parseDocument } from '../manifest/document.ts'
import type { Manifest, ManifestReference } from '../manifest/manifest.ts'
import { parseWithDocument } from '../manifest/parse.ts'
import { MediaType } from '../media-type.ts'
import type { Repository, StoredManifest } from '../registry.ts'
import type { ManifestSummary } from './catalog-index.ts'

/** Larger configurations are not read. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024

const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
])

const INDEXES: ReadonlySet<string> = new Set([MediaType.ociIndex, MediaType.dockerManifestList])

/** A manifest's place in its repository. */
export interface DescribedManifest extends ManifestSummary {
  readonly subject: Digest | null
  /** The manifests that it lists, if it is an index. */
  readonly children: readonly Digest[]
}

/** Reads what a manifest says of itself, with its configuration and the manifests that it lists. What is
 *  missing or malformed stays unknown.
 *  @throws RegistryError MANIFEST_UNKNOWN; that of storage */
export async function describeManifest(repository: Repository, digest: Digest): Promise<DescribedManifest> {
  const stored = await repository.manifests.get(digest)
  const parsed = parseIfValid(stored.payload)
  if (parsed === undefined) return undescribed(digest, stored)
  const { manifest, document } = parsed
  const base = {
    digest,
    mediaType: manifest.mediaType,
    artifactType: artifactTypeOf(document, manifest),
    subject: manifest.subject?.digest ?? null,
  }
  const annotated = dateIn(document.annotations, 'org.opencontainers.image.created')
  if (INDEXES.has(manifest.mediaType)) {
    const children = manifest.references()
    const { size, createdAt } = await describeChildren(repository, { stored, children })
    return {
      ...base,
      ...{ size, createdAt: annotated ?? createdAt },
      platforms: platformsOf(children),
      children: children.map(({ descriptor }) => descriptor.digest),
    }
  }
  const config = await configOf(repository, manifest)
  return {
    ...base,
    platforms: platformIn(config),
    createdAt: annotated ?? dateIn(config, 'created'),
    size: sizeOf(stored, manifest),
    children: [],
  }
}

function undescribed(digest: Digest, { descriptor }: StoredManifest): DescribedManifest {
  const { mediaType } = descriptor
  return {
    ...{ digest, mediaType, artifactType: null, platforms: [], createdAt: null, size: null },
    ...{ subject: null, children: [] },
  }
}

function parseIfValid(payload: Uint8Array): ReturnType<typeof parseWithDocument> | undefined {
  try {
    return parseWithDocument(payload)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

/** The size of all distinct content, and the time of the first image. */
async function describeChildren(
  repository: Repository,
  { stored, children }: { stored: StoredManifest; children: readonly ManifestReference[] },
): Promise<Pick<ManifestSummary, 'size' | 'createdAt'>> {
  const sizes = new Map<Digest, number>([[stored.descriptor.digest, stored.payload.length]])
  let isComplete = true
  let createdAt: Date | null = null
  for (const { descriptor, kind } of children) {
    sizes.set(descriptor.digest, descriptor.size)
    if (kind === 'blob') continue
    const manifest = await childOf(repository, descriptor)
    if (manifest === undefined) isComplete &&= kind === 'either'
    else {
      for (const reference of manifest.references())
        sizes.set(reference.descriptor.digest, reference.descriptor.size)
      createdAt ??= dateIn(await configOf(repository, manifest), 'created')
    }
  }
  const size = [...sizes.values()].reduce((sum, one) => sum + one, 0)
  return { size: isComplete ? size : null, createdAt }
}

async function childOf(repository: Repository, { digest }: Descriptor): Promise<Manifest | undefined> {
  try {
    return parseIfValid((await repository.manifests.get(digest)).payload)?.manifest
  } catch (error) {
    if (isErrorOf(error, 'MANIFEST_UNKNOWN')) return undefined
    throw error
  }
}

function sizeOf({ payload }: StoredManifest, manifest: Manifest): number {
  const sizes = new Map(manifest.references().map(({ descriptor }) => [descriptor.digest, descriptor.size]))
  return [...sizes.values()].reduce((sum, one) => sum + one, payload.length)
}

/** The configuration of an image. Undefined if there is none that can be read. */
async function configOf(repository: Repository, manifest: Manifest): Promise<JsonObject | undefined> {
  const config = manifest
    .references()
    .find(({ descriptor, kind }) => kind === 'blob' && IMAGE_CONFIGS.has(descriptor.mediaType))?.descriptor
  if (config === undefined || config.size > MAX_CONFIG_BYTES) return undefined
  try {
    const blob = await repository.blobs.open(config.digest)
    return parseDocument(blob.content ?? (await bytesOf(blob.read())), 'the configuration')
  } catch (error) {
    if (isErrorOf(error, 'BLOB_UNKNOWN') || isErrorOf(error, 'MANIFEST_INVALID')) return undefined
    throw error
  }
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const copies: Buffer[] = []
  for await (const chunk of chunks) copies.push(Buffer.from(chunk))
  return Buffer.concat(copies)
}

/** OCI Image Specification 1.1, "Guidelines for Artifact Usage". */
function artifactTypeOf(document: JsonObject, manifest: Manifest): string | null {
  const { artifactType, config } = document
  if (typeof artifactType === 'string' && artifactType !== '') return artifactType
  if (INDEXES.has(manifest.mediaType) || typeof config !== 'object' || config === null) return null
  const { mediaType } = config as JsonObject
  return typeof mediaType === 'string' && mediaType !== '' && !IMAGE_CONFIGS.has(mediaType) ? mediaType : null
}

/** Without attestations, whose platform is unknown. */
function platformsOf(children: readonly ManifestReference[]): string[] {
  const names = children.flatMap(({ platform }) => (platform === undefined ? [] : platformName(platform)))
  return [...new Set(names)]
}

function platformIn(config: JsonObject | undefined): string[] {
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  if (config === undefined) return []
  const { os, architecture, variant } = config
  return platformName({ os: text(os), architecture: text(architecture), variant: text(variant) || undefined })
}

function platformName(platform: { os: string; architecture: string; variant: string | undefined }): string[] {
  const { os, architecture, variant } = platform
  const parts = [os, architecture, ...(variant === undefined || variant === '' ? [] : [variant])]
  return parts.every((part) => PLATFORM_PART.test(part)) && os !== 'unknown' ? [parts.join('/')] : []
}

/** Other texts are not platforms, and a pusher chose them. */
const PLATFORM_PART = /^[A-Za-z0-9._-]{1,32}$/

function dateIn(object: unknown, field: string): Date | null {
  if (typeof object !== 'object' || object === null) return null
  const text = (object as JsonObject)[field]
  const time = typeof text === 'string' && text.length <= 64 ? Date.parse(text) : Number.NaN
  return Number.isFinite(time) ? new Date(time) : null
}
