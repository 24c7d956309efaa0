/** What an operator demands of the manifests that are pushed: `validation.manifests` of the configuration, with the
 *  meaning that CNCF Distribution's code gives it (`registry/storage/*manifesthandler.go`, `manifestlisthandler.go`).
 *  Where its manual says otherwise, the code is followed: without `allow`, `deny` alone decides.
 *  Unlike there, with neither any web address will do: a registry must take non-distributable layers (OCI Image
 *  Specification 1.1), and it never fetches what a client names. */
import { runInNewContext } from 'node:vm'
import { RegistryError } from '../errors.ts'
import { DOCKER_FOREIGN_LAYER, MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import type { Manifest, ManifestReference, Platform } from './manifest.ts'

export interface ManifestPolicy {
  /** Where layers may be fetched from: a URL must match one of `allow`, where there is one, and none of `deny`. The
   *  patterns must not have the flags `g` and `y`. */
  readonly urls: { readonly allow: readonly RegExp[]; readonly deny: readonly RegExp[] }
  /** Which entries of an index must be in the repository: those for a platform of the list, or of any platform while
   *  the list is empty. */
  readonly platforms: 'all' | 'none' | { readonly list: readonly Pick<Platform, 'os' | 'architecture'>[] }
  /** Whether Docker's schema 1 may be pushed: `compatibility.schema1.enabled`. */
  readonly schema1: boolean
}

/** What holds when the configuration says nothing. */
export const DEFAULT_POLICY: ManifestPolicy = {
  urls: { allow: [], deny: [] },
  platforms: 'all',
  schema1: false,
}

/** `validation.disabled`: any web address will do, and indexes may point at what is not there. */
export const NO_VALIDATION: ManifestPolicy = { ...DEFAULT_POLICY, platforms: 'none' }

/** The layers whose URLs are looked at; those of other content are not, because it must be in the repository. */
const URL_LAYERS: ReadonlySet<string> = new Set([
  ...NON_DISTRIBUTABLE_LAYERS,
  'application/vnd.oci.image.layer.v1.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd',
])

/** How long the patterns may take for all URLs of a manifest. */
const MATCH_MILLISECONDS = 100

/** Refuses schema 1 where it is not wanted, and where it has no signatures: Distribution never took it without.
 *  @throws RegistryError MANIFEST_INVALID, MANIFEST_UNVERIFIED */
export function checkSchema1({ mediaType, signatures }: Manifest, { schema1 }: ManifestPolicy): void {
  if (mediaType !== MediaType.dockerSchema1) return
  if (!schema1) {
    throw new RegistryError('MANIFEST_INVALID', {
      message:
        'schema 1 is not taken here unless compatibility.schema1.enabled is true; push schema 2 or OCI',
      detail: { key: 'compatibility.schema1.enabled' },
    })
  }
  if (signatures.length === 0) {
    throw new RegistryError('MANIFEST_UNVERIFIED', { message: 'a manifest of schema 1 must be signed' })
  }
}

/** Refuses a manifest with a layer that may be fetched from where the policy does not allow.
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

/** True when the manifest can be pushed only after what it refers to. */
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

/** An absolute URL of the web without a fragment. */
function isWebAddress(url: string): boolean {
  return /^https?:\/\/[^\s\x00-\x1f\x7f]+$/i.test(url) && URL.canParse(url) && !/#./.test(url)
}

/** Patterns written for Go, where every pattern takes linear time, can take exponential time here (the example in
 *  Distribution's manual does), and whoever pushes chooses the text: a context of its own can be stopped. */
function firstRefused(urls: readonly string[], { allow, deny }: ManifestPolicy['urls']): string | undefined {
  const isRefused = (url: string) =>
    (allow.length > 0 && !allow.some((pattern) => pattern.test(url))) ||
    deny.some((pattern) => pattern.test(url))
  try {
    return runInNewContext('find()', { find: () => urls.find(isRefused) }, { timeout: MATCH_MILLISECONDS })
  } catch (cause) {
    if (!isTimeout(cause)) throw cause
    throw new RegistryError('MANIFEST_INVALID', {
      message: 'the URLs take too long to check against the patterns',
      cause,
    })
  }
}

/** The error is of the other context, whose `Error` is not this one's. */
function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

function invalidUrl(message: string, detail: { digest: string } | { url: string }): RegistryError {
  return new RegistryError('MANIFEST_INVALID', { message, detail })
}
