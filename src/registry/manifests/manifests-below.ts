import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { StoredManifest } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'

export interface ManifestTree {
  /** The manifests that one must not be without. */
  readonly childrenOf: (manifest: Manifest) => readonly Digest[]
  /** @throws RegistryError MANIFEST_UNKNOWN */
  readonly get: (digest: Digest) => Promise<StoredManifest>
}

const READ_CONCURRENCY = 16
/** Beyond that an index is not followed: nobody has one, but it could be made to be read again and again. */
const MAX_BYTES = 64 * 1024 ** 2

/** The manifests that an index consists of, and those that these consist of, each once. What is not there, or is no
 *  manifest, is left out. */
export async function manifestsBelow(
  manifest: Manifest,
  { childrenOf, get }: ManifestTree,
): Promise<readonly Manifest[]> {
  const seen = new Set<Digest>()
  const below: Manifest[] = []
  let byteCount = 0
  const work = (digest: Digest) => readManifest(digest, get)
  for (let level = [manifest]; level.length > 0 && byteCount <= MAX_BYTES; ) {
    const children = [...new Set(level.flatMap(childrenOf))].filter((digest) => !seen.has(digest))
    level = []
    for await (const child of mapInOrder(children, { concurrency: READ_CONCURRENCY, work })) {
      if (child === undefined) continue
      byteCount += child.payload.length
      level.push(child)
      if (byteCount > MAX_BYTES) break
    }
    for (const digest of children) seen.add(digest)
    below.push(...level)
  }
  return below
}

async function readManifest(digest: Digest, get: ManifestTree['get']): Promise<Manifest | undefined> {
  try {
    const { payload, descriptor } = await get(digest)
    return parseManifest(payload, descriptor.mediaType)
  } catch (error) {
    if (error instanceof RegistryError && UNREADABLE.has(error.code)) return undefined
    throw error
  }
}

const UNREADABLE: ReadonlySet<string> = new Set([
  'MANIFEST_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNVERIFIED',
  'MANIFEST_TOO_LARGE',
])
