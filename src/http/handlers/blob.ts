import { parseDigest } from '../../core/digest.ts'
import type { Exchange } from '../exchange.ts'
import { emptyReply, type Reply } from '../reply.ts'
import { blobReply } from '../send-blob.ts'

/** OCI Distribution Specification 1.1, "Pulling blobs" and "Checking if content exists in the registry". */
export async function getBlob(exchange: Exchange): Promise<Reply> {
  const blob = await exchange.repository.blobs.open(parseDigest(exchange.reference))
  if (exchange.settings.redirect) {
    const url = await blob.redirectUrl(exchange.isHead ? 'HEAD' : 'GET')
    if (url !== undefined) {
      return emptyReply(307, { location: url.href, 'docker-content-digest': blob.descriptor.digest })
    }
  }
  return blobReply(blob, { headers: exchange.request.headers, isHead: exchange.isHead })
}

export async function deleteBlob(exchange: Exchange): Promise<Reply> {
  const digest = parseDigest(exchange.reference)
  await exchange.repository.blobs.delete(digest)
  return emptyReply(202, { 'docker-content-digest': digest })
}
