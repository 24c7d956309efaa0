import { type Digest, parseDigest } from '../../core/digest.ts'
import type { Blob } from '../../core/registry.ts'
import type { Exchange } from '../exchange.ts'
import { emptyReply, type Reply } from '../reply.ts'
import { blobReply } from '../send-blob.ts'

/** OCI Distribution Specification 1.1, "Pulling blobs" and "Checking if content exists in the registry". A blob that is
 *  known is answered for at once. */
export function getBlob(exchange: Exchange): Reply | Promise<Reply> {
  const digest = parseDigest(exchange.reference)
  const known = exchange.repository.blobs.peek(digest)
  return known === undefined ? openBlob(exchange, digest) : replyTo(exchange, known)
}

async function openBlob(exchange: Exchange, digest: Digest): Promise<Reply> {
  return replyTo(exchange, await exchange.repository.blobs.open(digest))
}

function replyTo(exchange: Exchange, blob: Blob): Reply | Promise<Reply> {
  const { request, isHead, settings } = exchange
  if (isHead || !settings.redirect || blob.content !== undefined) {
    return blobReply(blob, { headers: request.headers, isHead })
  }
  return redirectOrReply(exchange, blob)
}

/** Bytes that are not in memory are fetched by the client itself, where the storage lets it. */
async function redirectOrReply({ request }: Exchange, blob: Blob): Promise<Reply> {
  const url = await blob.redirectUrl()
  if (url === undefined) return blobReply(blob, { headers: request.headers, isHead: false })
  return emptyReply(307, { location: url.href, 'docker-content-digest': blob.descriptor.digest })
}

export async function deleteBlob(exchange: Exchange): Promise<Reply> {
  const digest = parseDigest(exchange.reference)
  await exchange.repository.blobs.delete(digest)
  return emptyReply(202, { 'docker-content-digest': digest })
}
