import type { Descriptor } from '../../core/descriptor.ts'
import { type Digest, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { MAX_MANIFEST_BYTES } from '../../core/manifest/limits.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import { MediaType } from '../../core/media-type.ts'
import { parseReference, parseTag, type Tag } from '../../core/reference.ts'
import type { MirroredContent, Repository, StoredManifest } from '../../core/registry.ts'
import { withCacheStatus } from '../reply/cache-status.ts'
import { emptyReply, type Reply } from '../reply/reply.ts'
import { accepts } from '../request/accept.ts'
import { readBody } from '../request/body.ts'
import { matchesEtag } from '../request/ranges.ts'
import type { RequestContext } from '../request-context.ts'
import { isSchema1, requireAgreement, withSignatures } from './schema1.ts'

/** OCI Distribution Specification 1.1, "Pulling manifests". The stored manifest is sent whatever `Accept`
 *  says, with one exception (`forOldClients`). */
export function getManifest(context: RequestContext): Reply | Promise<Reply> {
  const reference = parseReference(context.reference)
  if (reference.kind === 'tag') return getTagged(context, reference.tag)
  const { repository } = context
  const { digest } = reference
  const known = repository.manifests.getIfCached(digest)
  if (known === undefined) return getByDigest(context, repository, digest)
  return replyFrom(context, repository.mirrored, digest, known)
}

async function getByDigest(context: RequestContext, repository: Repository, digest: Digest): Promise<Reply> {
  return replyFrom(context, repository.mirrored, digest, await repository.manifests.get(digest))
}

async function getTagged(context: RequestContext, tag: Tag): Promise<Reply> {
  const { manifests, tags, mirrored } = context.repository
  const digest = await tags.get(tag)
  const tagged = manifests.getIfCached(digest) ?? (await manifests.get(digest))
  const isForAll = tagged.descriptor.mediaType !== MediaType.dockerManifestList
  return replyFrom(context, mirrored, tag, isForAll ? tagged : await forOldClients(context, tagged))
}

/** @param mirrored undefined if the repository is hosted here; otherwise the reply says how fresh it is */
function replyFrom(
  context: RequestContext,
  mirrored: MirroredContent | undefined,
  reference: Tag | Digest,
  manifest: StoredManifest,
): Reply | Promise<Reply> {
  const reply = wholeReply(context, manifest)
  if (mirrored === undefined) return reply
  return Promise.resolve(reply).then((whole) => withCacheStatus(whole, mirrored, reference))
}

/** Adds the signatures to a schema 1 manifest. */
function wholeReply(context: RequestContext, manifest: StoredManifest): Reply | Promise<Reply> {
  return isSchema1(manifest) ? signedReply(context, manifest) : manifestReply(context, manifest)
}

async function signedReply(context: RequestContext, manifest: StoredManifest): Promise<Reply> {
  return manifestReply(context, await withSignatures(manifest, context.repository.signatures))
}

function manifestReply(context: RequestContext, manifest: StoredManifest): Reply {
  const { request, isHead } = context
  context.served = manifest
  const { mediaType, digest, size } = manifest.descriptor
  const etag = `"${digest}"`
  const headers = { etag, 'docker-content-digest': digest }
  if (matchesEtag(request.headers['if-none-match'], etag)) return emptyReply(304, headers)
  return {
    status: 200,
    headers: { ...headers, 'content-type': mediaType, 'content-length': size },
    body: isHead ? undefined : manifest.payload,
  }
}

/** Clients of Docker before manifest lists ask for a tag and can read a single image only: they get the same
 *  one as from Distribution. */
async function forOldClients(
  { repository, request }: RequestContext,
  list: StoredManifest,
): Promise<StoredManifest> {
  const { accept } = request.headers
  if (accepts(accept, MediaType.dockerManifestList) || !accepts(accept, MediaType.dockerManifest)) return list
  const child = parseManifest(list.payload)
    .references()
    .find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
  if (child === undefined) {
    throw new RegistryError('MANIFEST_UNKNOWN', { message: 'the manifest list has no image for linux/amd64' })
  }
  return repository.manifests.get(child.descriptor.digest)
}

/** OCI Distribution Specification 1.1, "Pushing manifests". With a digest, `tag` parameters add tags. */
export async function putManifest(context: RequestContext): Promise<Reply> {
  const { repository } = context
  const { digest, tags, byTagParameter } = targetOf(context)
  const payload = await readBody(context.body(), {
    maxBytes: MAX_MANIFEST_BYTES,
    tooLarge: manifestTooLarge,
  })
  const manifest = parseManifest(payload, context.request.headers['content-type'] ?? '')
  if (!context.may('push')) await requireThere(context, digest ?? digestOf(manifest.payload))
  requireAgreement(manifest, { name: repository.name, tags })
  const stored = await store(repository, manifest, { digest, tags })
  return emptyReply(201, {
    location: context.location(`/v2/${repository.name}/manifests/${stored.digest}`),
    'docker-content-digest': stored.digest,
    ...(byTagParameter ? { 'oci-tag': tags } : {}),
    ...(manifest.subject && { 'oci-subject': manifest.subject.digest }),
  })
}

/** Stores a manifest and its tags. If it is deleted in between, it is pushed again, as if the deletion had
 *  come first. */
async function store(
  { manifests, tags: service }: Repository,
  manifest: Manifest,
  { digest, tags }: { digest: Digest | undefined; tags: readonly Tag[] },
): Promise<Descriptor> {
  for (let attempt = 1; ; attempt++) {
    const stored = await manifests.put(manifest, digest, { tags })
    try {
      for (const tag of tags) await service.tag(tag, stored)
      return stored
    } catch (error) {
      const isDeleted = error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN'
      if (!isDeleted) throw error
      if (attempt === MAX_ATTEMPTS) throw new RegistryError('UNAVAILABLE', { cause: error })
    }
  }
}

const MAX_ATTEMPTS = 5

/** A client that may only tag needs an existing manifest. */
async function requireThere({ repository }: RequestContext, digest: Digest): Promise<void> {
  if (await repository.manifests.exists(digest)) return
  throw new RegistryError('DENIED', {
    message: 'only existing manifests may be tagged',
  })
}

/** Limit of tags in one PUT. The specification asks for 10 at least. */
const MAX_TAGS_AT_ONCE = 100

interface Target {
  digest?: Digest
  tags: Tag[]
  byTagParameter: boolean
}

function targetOf({ reference: text, query }: RequestContext): Target {
  const reference = parseReference(text)
  if (reference.kind === 'tag') return { tags: [reference.tag], byTagParameter: false }
  const names = new Set(query.getAll('tag'))
  if (names.size > MAX_TAGS_AT_ONCE) {
    throw new RegistryError('TOO_MANY_TAGS', {
      message: `at most ${MAX_TAGS_AT_ONCE} tags can be set at once`,
    })
  }
  const tags = [...names].map(parseTag)
  return { digest: reference.digest, tags, byTagParameter: tags.length > 0 }
}

function manifestTooLarge(): RegistryError {
  return new RegistryError('MANIFEST_TOO_LARGE', {
    message: `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`,
  })
}

/** By digest, deletes the manifest and every tag that names it; by tag, that tag only. */
export async function deleteManifest(context: RequestContext): Promise<Reply> {
  const { repository } = context
  const reference = parseReference(context.reference)
  if (reference.kind === 'tag') await repository.tags.untag(reference.tag)
  else await repository.manifests.delete(reference.digest)
  return emptyReply(202)
}
