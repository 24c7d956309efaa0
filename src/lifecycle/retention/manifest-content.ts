import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { ManifestReference } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { Repository } from '../../core/registry.ts'

export interface ManifestContent {
  readonly bytes: number
  /** Undefined if they can't be read: the manifest is damaged, or of an unknown kind. */
  readonly references: readonly ManifestReference[] | undefined
}

/** What a manifest says that it refers to. Undefined if the repository has no such manifest.
 *  @throws RegistryError, StorageError if storage can't be read */
export async function readManifest(
  { manifests }: Repository,
  digest: Digest,
): Promise<ManifestContent | undefined> {
  let bytes = 0
  try {
    const { payload } = await manifests.get(digest)
    bytes = payload.length
    return { bytes, references: parseManifest(payload).references() }
  } catch (error) {
    if (!(error instanceof RegistryError) || !/^MANIFEST_/.test(error.code)) throw error
    return error.code === 'MANIFEST_UNKNOWN' ? undefined : { bytes, references: undefined }
  }
}
