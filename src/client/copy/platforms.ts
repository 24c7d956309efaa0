import type { ManifestReference } from '../../core/manifest/manifest.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { ImageManifest, ImageSource } from './image-store.ts'

export interface PlatformChoice {
  readonly os: string
  readonly architecture: string
  /** Undefined for any. */
  readonly variant: string | undefined
}

/** Parses `os/architecture[/variant]`, or `architecture` of Linux. Undefined if it is malformed. */
export function parsePlatform(text: string): PlatformChoice | undefined {
  const parts = text.split('/')
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9._-]+$/i.test(part))) return undefined
  const [os = 'linux', architecture, variant] = parts.length === 1 ? ['linux', ...parts] : parts
  return architecture === undefined ? undefined : { os, architecture, variant }
}

/** This machine's, for images that run in Linux. */
export function ownPlatform(architecture: string = process.arch): PlatformChoice {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }
  return { os: 'linux', architecture: names[architecture] ?? architecture, variant: undefined }
}

/** A platform's manifest in an index; what is no index is what it is.
 *  @throws UpstreamError NOT_FOUND if the index has no such platform, and says which it has */
export async function platformManifest(
  source: ImageSource,
  named: ImageManifest,
  wanted: PlatformChoice,
  signal?: AbortSignal,
): Promise<ImageManifest> {
  const children = named.references.filter(({ kind }) => kind === 'manifest')
  if (children.length === 0) return named
  const found = children.find((child) => isOf(child, wanted))
  if (found !== undefined)
    return platformManifest(source, await source.manifest(found.descriptor.digest, signal), wanted, signal)
  const there = children.flatMap(({ platform }) => (platform ? [nameOf(platform)] : []))
  throw new UpstreamError('NOT_FOUND', {
    message: `${source.name} has no ${nameOf(wanted)}; it has ${there.join(', ') || 'no platforms'}`,
  })
}

export function nameOf({ os, architecture, variant }: PlatformChoice): string {
  return [os, architecture, variant].filter(Boolean).join('/')
}

function isOf({ platform }: ManifestReference, wanted: PlatformChoice): boolean {
  return (
    platform !== undefined &&
    platform.os === wanted.os &&
    platform.architecture === wanted.architecture &&
    (wanted.variant === undefined || platform.variant === wanted.variant)
  )
}
