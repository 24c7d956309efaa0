import { RegistryError } from '../core/errors.ts'
import type { IncompleteBlobUpload, Registry } from '../core/registry.ts'
import type { Step } from './runner.ts'

export interface PurgingOptions {
  /** How long nobody has written to what is removed. */
  readonly ageMs: number
  /** Milliseconds since 1970. Default: what the storage's clock says, because a replica's own may be wrong. */
  readonly now?: number
}

type KnownOptions = Required<PurgingOptions>

/** Removes uploads that nobody finished, and then what is left of others where no listing shows it. */
export async function* uploadPurging(
  registry: Registry,
  { ageMs, now }: PurgingOptions,
): AsyncIterable<Step> {
  const options = { ageMs, now: now ?? (await registry.storageTime()).getTime() }
  yield* abandonedUploads(registry, options)
  yield* abandonedIncompleteUploads(registry, options)
}

/** Uploads that nobody has written to for some time. An upload that is slow but alive is left alone, however long ago
 *  it was started. */
async function* abandonedUploads(registry: Registry, { ageMs, now }: KnownOptions): AsyncIterable<Step> {
  for await (const upload of registry.uploads()) {
    if (now - upload.lastWrittenAt.getTime() < ageMs) continue
    yield {
      intent: {
        action: 'purge upload',
        repository: upload.repository,
        upload: upload.id,
        startedAt: upload.startedAt.toISOString(),
        bytes: upload.size,
      },
      run: () => upload.cancel(),
    }
  }
}

/** What belongs to an upload that goes on is left alone, however old it is itself: the upload may need it. */
async function* abandonedIncompleteUploads(
  registry: Registry,
  { ageMs, now }: KnownOptions,
): AsyncIterable<Step> {
  for await (const incomplete of registry.incompleteUploads()) {
    if (now - incomplete.modifiedAt.getTime() < ageMs) continue
    const writtenAt = await uploadWrittenAt(registry, incomplete)
    if (writtenAt !== undefined && now - writtenAt.getTime() < ageMs) continue
    yield {
      intent: {
        action: 'remove incomplete upload',
        path: incomplete.path,
        modifiedAt: incomplete.modifiedAt.toISOString(),
      },
      run: () => incomplete.remove(),
    }
  }
}

/** When the upload that an incomplete one belongs to was last written to; undefined if it does not exist. */
async function uploadWrittenAt(
  registry: Registry,
  { upload }: IncompleteBlobUpload,
): Promise<Date | undefined> {
  if (upload === undefined) return undefined
  try {
    return (await registry.repository(upload.repository).blobs.getUpload(upload.id)).lastWrittenAt
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN') return undefined
    throw error
  }
}
