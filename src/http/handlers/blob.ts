import { type Digest, parseBlobDigest } from '../../core/digest.ts'
import type { Blob } from '../../core/registry.ts'
import { blobReply } from '../reply/blob-reply.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** OCI Distribution Specification 1.1, "Pulling blobs" and "Checking if content exists in the registry". A
 *  cached blob is answered synchronously. */
export function getBlob(context: RequestContext): Reply | Promise<Reply> {
  const digest = parseBlobDigest(context.reference, context.settings)
  const known = context.repository.blobs.getIfCached(digest)
  return known === undefined ? openBlob(context, digest) : replyTo(context, known)
}

async function openBlob(context: RequestContext, digest: Digest): Promise<Reply> {
  return replyTo(context, await context.repository.blobs.open(digest))
}

function replyTo(context: RequestContext, blob: Blob): Reply | Promise<Reply> {
  const { request, isHead, settings } = context
  context.served = blob
  const { redirects } = settings
  const isSent =
    isHead ||
    redirects === undefined ||
    blob.content !== undefined ||
    !redirects.suit(context, blob.descriptor.digest)
  return isSent ? blobReply(blob, { headers: request.headers, isHead }) : redirectOrReply(context, blob)
}

/** Redirects to storage if possible, or serves the blob. Redirects may not be cached: the URLs expire, and
 *  anyone may use them. */
async function redirectOrReply(context: RequestContext, blob: Blob): Promise<Reply> {
  // The client's address is computed only if the storage needs it.
  const url = await blob.redirectUrl(context)
  if (url === undefined) return blobReply(blob, { headers: context.request.headers, isHead: false })
  return emptyReply(307, {
    location: url.href,
    'docker-content-digest': blob.descriptor.digest,
    'cache-control': 'no-store',
  })
}

export async function deleteBlob(context: RequestContext): Promise<Reply> {
  const digest = parseBlobDigest(context.reference, context.settings)
  await context.repository.blobs.delete(digest)
  return emptyReply(202, { 'docker-content-digest': digest })
}
