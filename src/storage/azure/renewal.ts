import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import { type BlobState, bears, newMark, requireEtag, stateOf } from './blob-state.ts'
import type { AzureConnection } from './client.ts'

/** Changes a blob's ETag and date, and not its bytes.
 *  @param found the expected state
 *  @throws the SDK's errors, such as 412 if the blob has changed */
export function renew(
  { once, attempts }: AzureConnection,
  name: string,
  found: BlobGetPropertiesResponse,
): Promise<BlobState> {
  const blob = once.getBlobClient(name)
  const mark = newMark()
  const conditions = { ifMatch: requireEtag(found) }
  const send = async () => {
    const { etag } = await blob.setMetadata({ ...found.metadata, ...mark }, { conditions })
    return stateOf({ ...found, etag })
  }
  const look = async () => {
    const now = await blob.getProperties()
    // Appends keep the metadata.
    return bears(now, mark) && now.contentLength === found.contentLength ? stateOf(now) : undefined
  }
  return attempts.settle(send, look)
}
