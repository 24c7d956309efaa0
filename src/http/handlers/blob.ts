import { type Digest, parseDigest } from '../../core/digest.ts'
import type { Blob } from '../../core/registry.ts'
import type { Exchange } from '../exchange.ts'
import { blobReply } from '../reply/blob-reply.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'

/** OCI Distribution Specification 1.1, "Pulling blobs" and "Checking if content exists in the registry". A blob that is
 *  known is answered for at once. */
export function getBlob(exchange: Exchange): Reply | Promise<Reply> {
  const digest = parseDigest(exchange.reference)
  const known = exchange.repository.blobs.getIfCached(digest)
  return known === undefined ? openBlob(exchange, digest) : replyTo(exchange, known)
}

async function openBlob(exchange: Exchange, digest: Digest): Promise<Reply> {
  return replyTo(exchange, await exchange.repository.blobs.open(digest))
}

function replyTo(exchange: Exchange, blob: Blob): Reply | Promise<Reply> {
  const { request, isHead, settings } = exchange
  const { redirects } = settings
  const isSent =
    isHead ||
    redirects === undefined ||
    blob.content !== undefined ||
    !redirects.suit(exchange, blob.descriptor.digest)
  return isSent ? blobReply(blob, { headers: request.headers, isHead }) : redirectOrReply(exchange, blob)
}

/** Bytes that are not in memory are fetched by the client itself, where the storage lets it. Nobody may keep where: such
 *  a URL is often good for a short time, and for whoever has it. */
async function redirectOrReply(exchange: Exchange, blob: Blob): Promise<Reply> {
  // The client's address is worked out only where the storage asks for it.
  const url = await blob.redirectUrl(exchange)
  if (url === undefined) return blobReply(blob, { headers: exchange.request.headers, isHead: false })
  return emptyReply(307, {
    location: url.href,
    'docker-content-digest': blob.descriptor.digest,
    'cache-control': 'no-store',
  })
}

export async function deleteBlob(exchange: Exchange): Promise<Reply> {
  const digest = parseDigest(exchange.reference)
  await exchange.repository.blobs.delete(digest)
  return emptyReply(202, { 'docker-content-digest': digest })
}
