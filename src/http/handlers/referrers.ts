import { parseDigest } from '../../core/digest.ts'
import { MAX_MANIFEST_BYTES } from '../../core/manifest/limits.ts'
import { MediaType } from '../../core/media-type.ts'
import { takeIndexPage } from '../reply/referrers-page.ts'
import type { Reply } from '../reply/reply.ts'
import { linkToNext, pageRequest } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

/** OCI Distribution Specification 1.1, "Listing Referrers". A digest without referrers has an empty list,
 *  even if the manifest or the repository does not exist. A page is limited by the size that clients read:
 *  some never request a second. */
export async function listReferrers(context: RequestContext): Promise<Reply> {
  const { repository, query } = context
  const subject = parseDigest(context.reference)
  const { count, after } = pageRequest(query, { standard: Infinity, max: Infinity })
  const artifactType = query.get('artifactType') || undefined
  const referrers = repository.manifests.referrers(subject, { artifactType, after })
  const { body, next } = await takeIndexPage(referrers, { count, maxBytes: MAX_MANIFEST_BYTES })
  const path = `/v2/${repository.name}/referrers/${subject}`
  return {
    status: 200,
    headers: {
      'content-type': MediaType.ociIndex,
      'content-length': body.length,
      ...(artifactType !== undefined && { 'oci-filters-applied': 'artifactType' }),
      ...linkToNext(context, { path, next, count, artifactType }),
    },
    body,
  }
}
