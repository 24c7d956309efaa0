import { type Digest, isDigest, isTarSum, parseBlobDigest, parseDigestAlgorithm } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { isRepositoryName, type RepositoryName } from '../../core/reference.ts'
import type { BlobUpload } from '../../core/registry.ts'
import { errorReply } from '../reply/errors.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import { hasBody } from '../request/body.ts'
import { parseContentRange } from '../request/ranges.ts'
import type { RequestContext } from '../request-context.ts'

/** Starts an upload, uploads a whole blob (`?digest=`), or mounts a blob of another repository (`?mount=`).
 *  OCI Distribution Specification 1.1, "Pushing blobs". */
export async function startUpload(context: RequestContext): Promise<Reply> {
  const { query, repository, identity } = context
  const mounted = await tryMount(context)
  if (mounted !== undefined) return mounted
  const wanted = query.get('digest')
  const digest = wanted === null ? undefined : parseBlobDigest(wanted, context.settings)
  const algorithm = query.get('digest-algorithm')
  const upload = await repository.blobs.createUpload({
    algorithm: algorithm === null ? undefined : parseDigestAlgorithm(algorithm),
    owner: identity.owner,
  })
  return digest === undefined ? acceptedReply(context, upload) : pushAtOnce(context, upload, digest)
}

/** Mounts a blob. Undefined if that is not possible for any reason: the client then uploads it. Only
 *  repositories that the client may pull from are searched. */
async function tryMount(context: RequestContext): Promise<Reply | undefined> {
  const digest = context.query.get('mount')
  const from = context.query.get('from')
  if (digest === null) return undefined
  if (!isDigest(digest) && !(context.settings.tarSums && isTarSum(digest))) return undefined
  const mayPull = (name: RepositoryName) => context.may('pull', name)
  const source = from === null || from === '' ? mayPull : from
  if (typeof source === 'string' && !(isRepositoryName(source) && mayPull(source))) return undefined
  try {
    await context.repository.blobs.mount(digest, source)
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return undefined
    throw error
  }
  return createdReply(context, digest)
}

/** Uploads a blob in one request. A failed upload is removed, because the client doesn't know its id. */
async function pushAtOnce(context: RequestContext, upload: BlobUpload, digest: Digest): Promise<Reply> {
  try {
    await upload.append(context.content(), { last: true })
  } catch (error) {
    await upload.cancel()
    throw error
  }
  await upload.commit(digest)
  return createdReply(context, digest)
}

/** The client's own upload, to be continued. Uploads of others are unknown. */
function resume({ repository, reference, identity }: RequestContext): Promise<BlobUpload> {
  return repository.blobs.resume(reference, { owner: identity.owner })
}

function currentUpload({ repository, reference, identity }: RequestContext): Promise<BlobUpload> {
  return repository.blobs.getUpload(reference, { owner: identity.owner })
}

/** The state of an upload from storage, not from memory: a client asks if it has lost its position. */
export async function getUpload(context: RequestContext): Promise<Reply> {
  const upload = await currentUpload(context)
  return emptyReply(204, uploadHeaders(context, upload))
}

export async function patchUpload(context: RequestContext): Promise<Reply> {
  const upload = await resume(context)
  return orWhereItStands(context, upload, async () => {
    await upload.append(context.content(), { offset: offsetOf(context, upload) })
    return acceptedReply(context, upload)
  })
}

/** Commits an upload. If it does not exist but the blob does, an earlier attempt has succeeded. */
export async function finishUpload(context: RequestContext): Promise<Reply> {
  const digest = parseBlobDigest(context.query.get('digest') ?? '', context.settings)
  try {
    return await finishOrSayWhereItStands(context, digest)
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'BLOB_UPLOAD_UNKNOWN') throw error
    if (await context.repository.blobs.has(digest)) return createdReply(context, digest)
    throw error
  }
}

async function finishOrSayWhereItStands(context: RequestContext, digest: Digest): Promise<Reply> {
  const upload = await resume(context)
  return orWhereItStands(context, upload, async () => {
    if (hasBody(context.request))
      await upload.append(context.content(), { offset: offsetOf(context, upload), last: true })
    await upload.commit(digest)
    return createdReply(context, digest)
  })
}

export async function cancelUpload(context: RequestContext): Promise<Reply> {
  const upload = await currentUpload(context)
  await upload.cancel()
  return emptyReply(204, { 'docker-upload-uuid': upload.id })
}

/** The offset that the request states, checked against its length. A wrong offset is reported before a wrong
 *  length. */
function offsetOf({ request }: RequestContext, { size }: BlobUpload): number | undefined {
  const range = parseContentRange(request.headers['content-range'])
  const length = request.headers['content-length']
  if (range !== undefined && length !== undefined && Number(length) !== range.end - range.start + 1) {
    if (range.start !== size) return range.start
    throw new RegistryError('SIZE_INVALID', { message: 'Content-Length and Content-Range disagree' })
  }
  return range?.start
}

/** Adds the upload's current state to a rejected range. */
async function orWhereItStands(
  context: RequestContext,
  upload: BlobUpload,
  work: () => Promise<Reply>,
): Promise<Reply> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error
    const refused = errorReply(error)
    return { ...refused, headers: { ...refused.headers, ...uploadHeaders(context, upload) } }
  }
}

function acceptedReply(context: RequestContext, upload: BlobUpload): Reply {
  return emptyReply(202, uploadHeaders(context, upload))
}

function uploadHeaders(context: RequestContext, upload: BlobUpload) {
  return {
    location: context.location(`/v2/${upload.repository}/blobs/uploads/${upload.id}`),
    range: rangeOf(upload),
    'docker-upload-uuid': upload.id,
  }
}

/** Docker's notation: an upload without bytes is at `0-0`, like one with a single byte. */
function rangeOf(upload: BlobUpload): string {
  return `0-${Math.max(0, upload.size - 1)}`
}

function createdReply(context: RequestContext, digest: Digest): Reply {
  return emptyReply(201, {
    location: context.location(`/v2/${context.repository.name}/blobs/${digest}`),
    'docker-content-digest': digest,
  })
}
