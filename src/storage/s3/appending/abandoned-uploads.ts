import type { AppendedObjects } from '../appended-object.ts'
import type { Bucket, OpenUpload } from '../bucket.ts'
import { isMissing, isNoSuchUpload } from '../errors.ts'

/** A multipart upload, and when something was last sent to it. */
export interface AbandonedUpload extends OpenUpload {
  readonly modifiedAt: Date
}

/** Multipart uploads below a prefix that no record names: of this driver, interrupted before their bytes were
 *  acknowledged, or of another registry. */
export async function* abandonedUploads(
  bucket: Bucket,
  objects: AppendedObjects,
  prefix: string,
): AsyncIterable<AbandonedUpload> {
  for await (const upload of bucket.openUploads(prefix)) {
    const state = await objects.look(upload.key)
    if (state?.kind === 'record' && state.uploadId === upload.uploadId) continue
    const modifiedAt = await lastSentAt(bucket, upload)
    if (modifiedAt !== undefined) yield { ...upload, modifiedAt }
  }
}

/** Undefined if the upload has ended meanwhile. */
async function lastSentAt(bucket: Bucket, upload: OpenUpload): Promise<Date | undefined> {
  try {
    return (await bucket.newestPartAt(upload)) ?? upload.startedAt
  } catch (error) {
    if (isMissing(error) || isNoSuchUpload(error)) return undefined
    throw error
  }
}
