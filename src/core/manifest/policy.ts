/** The rules of `validation.manifests` for pushed manifests. They follow CNCF Distribution's code
 *  (`registry/storage/*manifesthandler.go`, `manifestlisthandler.go`), also where its manual differs:
 *  without `allow`, `deny` alone decides. One exception: with neither, any http(s) URL is accepted,
 *  because a registry must accept non-distributable layers (OCI Image Specification 1.1) and never fetches
 *  such URLs. */
import { runInNewContext } from 'node:vm'
import { isTarSum } from '../digest.ts'
import { RegistryError } from '../errors.ts'
import { DOCKER_FOREIGN_LAYER, MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import type { Manifest, ManifestReference, Platform } from './manifest.ts'

export interface ManifestPolicy {
  /** URLs that layers may be fetched from: each must match one of `allow`, if there are any, and none of
   *  `deny`. The patterns must not have the flags `g` and `y`. */
  readonly urls: { readonly allow: readonly RegExp[]; readonly deny: readonly RegExp[] }
  /** Entries of an index that must be in the repository: those of the listed platforms, or all if the list is
   *  empty. */
  readonly platforms: 'all' | 'none' | { readonly list: readonly Pick<Platform, 'os' | 'architecture'>[] }
  /** True if Docker's schema 1 may be pushed: `compatibility.schema1.enabled`. */
  readonly schema1: boolean
  /** True if blobs may have TarSums as names: `compatibility.tarsum.enabled`. */
  readonly tarSums: boolean
}

/** The policy of an empty configuration. */
export const DEFAULT_POLICY: ManifestPolicy = {
  urls: { allow: [], deny: [] },
  platforms: 'all',
  schema1: false,
  tarSums: false,
}

/** `validation.disabled`: any http(s) URL is accepted, and indexes may list missing manifests. */
export const NO_VALIDATION: ManifestPolicy = { ...DEFAULT_POLICY, platforms: 'none' }

/** The layers whose URLs are checked. Other content must be in the repository, so its URLs are not needed. */
const URL_LAYERS: ReadonlySet<string> = new Set([
  ...NON_DISTRIBUTABLE_LAYERS,
  'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd',
])

/** Time limit of the patterns for all URLs of a manifest. */
const MATCH_MILLISECONDS = 100
/** How often they are tried while others have the processor, so that the thread runs for less than half of that time. */
const MATCH_ATTEMPTS = 5

/** Rejects schema 1 if it is disabled, or without signatures, as Distribution does.
 *  @throws RegistryError MANIFEST_INVALID, MANIFEST_UNVERIFIED */
export function checkSchema1(manifest: Manifest, { schema1, tarSums }: ManifestPolicy): void {
  const { mediaType, signatures } = manifest
  if (mediaType !== MediaType.dockerSchema1) return
  if (!schema1) {
    throw new RegistryError('MANIFEST_INVALID', {
      message: 'schema 1 is disabled (compatibility.schema1.enabled); push schema 2 or OCI',
      detail: { key: 'compatibility.schema1.enabled' },
    })
  }
  if (signatures.length === 0) {
    throw new RegistryError('MANIFEST_UNVERIFIED', { message: 'a manifest of schema 1 must be signed' })
  }
  if (!tarSums && manifest.references().some(({ descriptor }) => isTarSum(descriptor.digest))) {
    throw new RegistryError('MANIFEST_INVALID', {
      message: 'the manifest names layers by TarSums, which are disabled (compatibility.tarsum.enabled)',
      detail: { key: 'compatibility.tarsum.enabled' },
    })
  }
}

/** Rejects a manifest if the policy forbids the URL of one of its layers.
 *  @throws RegistryError MANIFEST_INVALID */
export function checkUrls(manifest: Manifest, { urls: policy }: ManifestPolicy): void {
  const urls: string[] = []
  for (const reference of manifest.references()) {
    const { mediaType, digest } = reference.descriptor
    if (mediaType === DOCKER_FOREIGN_LAYER && reference.kind === 'blob' && reference.urls.length === 0) {
      throw invalidUrl('a foreign layer has no URL', { digest })
    }
    if (reference.kind === 'blob' && URL_LAYERS.has(mediaType))
      for (const url of reference.urls) urls.push(url)
  }
  if (urls.length === 0) return
  const malformed = urls.find((url) => !isWebAddress(url))
  if (malformed !== undefined) throw invalidUrl('a layer has an invalid URL', { url: malformed })
  const refused = firstRefused(urls, policy)
  if (refused !== undefined) throw invalidUrl('a layer has a URL that is not allowed', { url: refused })
}

/** True if the reference must be in the repository before the manifest is pushed. */
export function mustExist(reference: ManifestReference, { platforms }: ManifestPolicy): boolean {
  if (reference.kind === 'blob' || platforms === 'all') return reference.required
  if (platforms === 'none') return false
  const { list } = platforms
  const { platform } = reference
  return (
    list.length === 0 ||
    list.some(({ os, architecture }) => os === platform?.os && architecture === platform.architecture)
  )
}

/** True for an absolute http(s) URL without a fragment. */
function isWebAddress(url: string): boolean {
  return /^https?:\/\/[^\s\x00-\x1f\x7f]+$/i.test(url) && URL.canParse(url) && !/#./.test(url)
}

/** The first URL that the policy forbids. Patterns written for Go, where matching takes linear time, can take
 *  exponential time here (the example in Distribution's manual does), and clients choose the text. Only a
 *  context of its own can be stopped. */
function firstRefused(urls: readonly string[], { allow, deny }: ManifestPolicy['urls']): string | undefined {
  const isRefused = (url: string) =>
    (allow.length > 0 && !allow.some((pattern) => pattern.test(url))) ||
    deny.some((pattern) => pattern.test(url))
  for (let attempt = 1; ; attempt++) {
    const startedAt = process.threadCpuUsage()
    try {
      return runInNewContext('find()', { find: () => urls.find(isRefused) }, { timeout: MATCH_MILLISECONDS })
    } catch (cause) {
      if (!isTimeout(cause)) throw cause
      const { user, system } = process.threadCpuUsage(startedAt)
      const hasMatched = user + system > (MATCH_MILLISECONDS * 1000) / 2
      if (attempt < MATCH_ATTEMPTS && !hasMatched) continue
      throw new RegistryError('MANIFEST_INVALID', {
        message: 'the URLs take too long to check against the patterns',
        cause,
      })
    }
  }
}

/** Compares the code: the error belongs to the other context, so `instanceof Error` is false. */
function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

function invalidUrl(message: string, detail: { digest: string } | { url: string }): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message, detail })
}
