/** The standard API: manifests, blobs, referrers, deletion. OCI Distribution Specification 1.1. */
import {
  asList,
  asObject,
  type Descriptor,
  MANIFEST_TYPES,
  type Manifest,
  parseDescriptor,
  parseManifest,
} from '../model/manifest.ts'
import { nextPage, request } from './http.ts'

/** Larger ones are not shown: configurations and attestations are some kilobytes. */
export const MAX_SHOWN_BYTES = 4_000_000

/** @param reference a tag or a digest */
export async function getManifest(
  repository: string,
  reference: string,
  signal?: AbortSignal,
): Promise<Manifest> {
  const path = `v2/${repository}/manifests/${reference}`
  const response = await request(path, { accept: MANIFEST_TYPES, signal })
  const { headers } = response
  return parseManifest(await response.text(), {
    mediaType: (headers.get('content-type') ?? '').split(';')[0] as string,
    digest: headers.get('docker-content-digest') ?? reference,
  })
}

/** A blob as text; undefined if it is too large to be shown. */
export async function getBlobText(
  repository: string,
  { digest, size }: Descriptor,
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (size > MAX_SHOWN_BYTES) return undefined
  return (await request(`v2/${repository}/blobs/${digest}`, { accept: '*/*', signal })).text()
}

/** A blob as JSON; undefined if it is too large, or no JSON. */
export async function getBlobJson(
  repository: string,
  blob: Descriptor,
  signal?: AbortSignal,
): Promise<unknown> {
  const text = await getBlobText(repository, blob, signal)
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Some hundred are enough to read; the rest is counted as more.
 *  @returns the manifests that refer to this one, and whether there are more */
export async function listReferrers(
  repository: string,
  digest: string,
  signal?: AbortSignal,
): Promise<{ readonly referrers: readonly Descriptor[]; readonly hasMore: boolean }> {
  const referrers: Descriptor[] = []
  let query: URLSearchParams | undefined = new URLSearchParams()
  while (query !== undefined && referrers.length < 500) {
    const search: string = query.size === 0 ? '' : `?${query}`
    const response = await request(`v2/${repository}/referrers/${digest}${search}`, {
      accept: 'application/vnd.oci.image.index.v1+json',
      signal,
    })
    referrers.push(...asList(asObject(await response.json()).manifests).map(parseDescriptor))
    query = nextPage(response)
  }
  return { referrers, hasMore: query !== undefined }
}

/** Deletes a tag, or a manifest with all of its tags. */
export async function deleteManifest(repository: string, reference: string): Promise<void> {
  await request(`v2/${repository}/manifests/${reference}`, { method: 'DELETE' })
}
