import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import { type BlobState, bears, newMark, requireEtag, stateOf } from './blob-state.ts'
import type { AzureConnection } from './client.ts'

/** Gives a blob another ETag and date, and leaves its bytes as they are.
 *  @param found how it must stand
 *  @throws whatever the SDK throws, such as 412 when it is another by now */
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
    // Metadata stay when it is appended to.
    return bears(now, mark) && now.contentLength === found.contentLength ? stateOf(now) : undefined
  }
  return attempts.settle(send, look)
}
