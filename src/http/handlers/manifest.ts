import type { Digest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { MAX_MANIFEST_BYTES, parseManifest } from '../../core/manifest/parse.ts'
import { MediaType } from '../../core/media-type.ts'
import { parseReference, parseTag, type Reference, type Tag } from '../../core/reference.ts'
import type { Repository, StoredManifest } from '../../core/registry.ts'
import { accepts } from '../accept.ts'
import { readBody } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { matchesEtag } from '../ranges.ts'
import { emptyReply, type Reply } from '../reply.ts'

/** OCI Distribution Specification 1.1, "Pulling manifests". What is stored is what is sent, whatever the client says
 *  it accepts, with one exception (`forOldClients`). */
export async function getManifest(exchange: Exchange): Promise<Reply> {
  const { repository, request, isHead } = exchange
  const reference = parseReference(exchange.reference)
  const stored = await repository.manifests.get(await digestOfReference(repository, reference))
  const manifest = reference.kind === 'tag' ? await forOldClients(exchange, stored) : stored
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

/** Docker clients from before manifest lists ask for a tag and can read a single image only: they get the one that
 *  Distribution gave them. */
async function forOldClients(
  { repository, request }: Exchange,
  stored: StoredManifest,
): Promise<StoredManifest> {
  if (stored.descriptor.mediaType !== MediaType.dockerManifestList) return stored
  const { accept } = request.headers
  if (accepts(accept, MediaType.dockerManifestList) || !accepts(accept, MediaType.dockerManifest))
    return stored
  const child = parseManifest(stored.payload)
    .references()
    .find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
  if (child === undefined) {
    throw new RegistryError('MANIFEST_UNKNOWN', { message: 'the manifest list has no image for linux/amd64' })
  }
  return repository.manifests.get(child.descriptor.digest)
}

/** OCI Distribution Specification 1.1, "Pushing manifests"; by digest, the `tag` parameters name it as well. */
export async function putManifest(exchange: Exchange): Promise<Reply> {
  const { repository } = exchange
  const { digest, tags, byTagParameter } = targetOf(exchange)
  const payload = await readBody(exchange.body(), {
    maxBytes: MAX_MANIFEST_BYTES,
    tooLarge: manifestTooLarge,
  })
  const manifest = parseManifest(payload, exchange.request.headers['content-type'] ?? '')
  const stored = await repository.manifests.put(manifest, digest)
  for (const tag of tags) await repository.tags.tag(tag, stored.digest)
  return emptyReply(201, {
    location: exchange.location(`/v2/${repository.name}/manifests/${stored.digest}`),
    'docker-content-digest': stored.digest,
    ...(byTagParameter ? { 'oci-tag': tags } : {}),
    ...(manifest.subject && { 'oci-subject': manifest.subject.digest }),
  })
}

interface Target {
  digest?: Digest
  tags: Tag[]
  byTagParameter: boolean
}

function targetOf({ reference: text, query }: Exchange): Target {
  const reference = parseReference(text)
  if (reference.kind === 'tag') return { tags: [reference.tag], byTagParameter: false }
  const tags = [...new Set(query.getAll('tag'))].map(parseTag)
  return { digest: reference.digest, tags, byTagParameter: tags.length > 0 }
}

function manifestTooLarge(): RegistryError {
  return new RegistryError('MANIFEST_TOO_LARGE', {
    message: `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`,
  })
}

/** By digest the manifest with every tag that names it; by tag that tag only. */
export async function deleteManifest(exchange: Exchange): Promise<Reply> {
  const { repository } = exchange
  const reference = parseReference(exchange.reference)
  if (reference.kind === 'tag') await repository.tags.untag(reference.tag)
  else await repository.manifests.delete(reference.digest)
  return emptyReply(202)
}

async function digestOfReference(repository: Repository, reference: Reference): Promise<Digest> {
  return reference.kind === 'digest' ? reference.digest : repository.tags.get(reference.tag)
}
