import type { Descriptor, ReferrerDescriptor } from '../../core/descriptor.ts'
import type { ContentInfo, ContentSource, StoredContent } from '../../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest, digestOf, hashAlgorithmOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { MAX_MISSING_REFERENCES } from '../../core/manifest/limits.ts'
import type { Manifest, ManifestReference } from '../../core/manifest/manifest.ts'
import { mediaTypeOf } from '../../core/manifest/parse.ts'
import { checkSchema1, checkUrls, mustExist } from '../../core/manifest/policy.ts'
import { verifySignatures } from '../../core/manifest/schema1/verify.ts'
import type { Tag } from '../../core/reference.ts'
import type {
  BlobService,
  DeleteManifestOptions,
  ManifestService,
  Page,
  PutManifestOptions,
  ReferrerQuery,
  SignatureService,
  StoredManifest,
} from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import { isOnStorage } from '../blobs/on-storage.ts'
import type { CollectionMark } from '../collection/collection-guard.ts'
import type { RepositoryContext } from '../context.ts'
import { readReferrer } from '../referrers/read-referrer.ts'
import type { Referrers } from '../referrers/referrers.ts'
import type { LinkedTags } from '../tags/tag-service.ts'
import type { RequireHeld } from './deletions.ts'
import { manifestsBelow } from './manifests-below.ts'

/** The repository's other services that pushes and deletions of manifests need. */
export interface ManifestNeighbours {
  readonly blobs: BlobService & {
    isStored(digest: Digest): Promise<boolean>
    isOnStorage(digest: Digest): Promise<boolean>
  }
  readonly tags: LinkedTags
  readonly signatures: Pick<SignatureService, 'get' | 'put'>
  readonly referrers: () => Referrers
}

/** A manifest on its way into a repository. */
interface Stored {
  readonly canonical: Digest
  /** Those that it consists of, if it is an index. */
  readonly below: readonly Manifest[]
  readonly since: CollectionMark
  /** Writes what it brings itself. */
  readonly store: () => Promise<void>
  readonly isCopy: boolean
}

/** References of a manifest that are looked up concurrently. */
const VERIFY_CONCURRENCY = 32

/** Attempts to link a manifest while others are removed. */
const MAX_ATTEMPTS = 10

/** Tags of a manifest that are removed concurrently. */
const UNTAG_CONCURRENCY = 16

/** The manifests of a repository: revision links to payloads in the blob pool. A payload is returned only if
 *  its bytes have the digest that they are stored under. */
export class LinkedManifests implements ManifestService {
  readonly #context: RepositoryContext
  readonly #neighbours: ManifestNeighbours
  readonly #source: ContentSource

  constructor(context: RepositoryContext, neighbours: ManifestNeighbours) {
    const { name: repository, revisions, pool } = context
    this.#context = context
    this.#neighbours = neighbours
    this.#source = {
      repository,
      kind: 'manifest',
      resolve: (digest) => revisions.get(digest),
      describe: async (canonical) => infoOf(await pool.get(canonical)),
    }
  }

  async exists(digest: Digest): Promise<boolean> {
    return (await this.#context.cache.find(this.#source, digest)) !== undefined
  }

  getIfCached(digest: Digest): StoredManifest | undefined {
    const found = this.#context.cache.getIfCached(this.#source, digest)
    const payload = found && this.#context.pool.getIfCached(found.canonical)
    return payload && { descriptor: (found as StoredContent).descriptor, payload }
  }

  async get(digest: Digest): Promise<StoredManifest> {
    let payload: Uint8Array | undefined
    const describe = async (canonical: Digest) => {
      payload = await this.#context.pool.get(canonical)
      return infoOf(payload)
    }
    const found = await this.#context.cache.find({ ...this.#source, describe }, digest)
    payload ??= found && (await this.#context.pool.get(found.canonical))
    if (payload === undefined) throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
    return { descriptor: (found as StoredContent).descriptor, payload }
  }

  async put(
    manifest: Manifest,
    name?: Digest,
    { isCopy = false, announce }: PutManifestOptions = {},
  ): Promise<Descriptor> {
    const { payload, mediaType } = manifest
    const canonical = digestOf(payload)
    const digest = name ?? canonical
    requireDigest(payload, digest)
    if (!isCopy) this.#requireAllowed(manifest)
    await verifySignatures(manifest)
    const { deletions, cache, collection } = this.#context
    const since = collection?.mark
    let { mark } = deletions
    if (!isCopy) await this.#requireReferences(manifest)
    const below = isCopy ? [] : await this.#below(manifest)
    for (const one of below) await this.#requireReferences(one)
    const { descriptor } = await cache.writeThrough(this.#source, digest, async () => {
      const store = () =>
        settleAll([
          this.#context.pool.put(canonical, payload),
          this.#neighbours.signatures.put(canonical, ...manifest.signatures),
        ])
      const descriptor = { mediaType, digest, size: payload.length }
      const announced = announce?.(descriptor)
      const stores = () => (announced === undefined ? store() : settleAll([store(), announced]))
      const link = () => this.#link(manifest, { canonical, name: digest, stored: stores() })
      await link()
      const stored = { canonical, below, since, store, isCopy }
      if (await this.#confirm(manifest, stored))
        mark = await this.#outlast(manifest, { ...stored, mark, link })
      return { descriptor, canonical }
    })
    deletions.stood(canonical, mark, isCopy ? [] : this.#childrenOf(manifest))
    return descriptor
  }

  #requireAllowed(manifest: Manifest): void {
    checkSchema1(manifest, this.#context.policy)
    checkUrls(manifest, this.#context.policy)
  }

  #childrenOf(manifest: Manifest): Digest[] {
    const { policy } = this.#context
    const children = manifest.references().filter((one) => one.kind === 'manifest' && mustExist(one, policy))
    return children.map(({ descriptor }) => descriptor.digest)
  }

  /** Protects the manifest's content from collection. What was pushed with it is written again if it may have
   *  been removed.
   *  @returns true if manifests of the repository may be removed by a collector, or may have been
   *  @throws RegistryError MANIFEST_BLOB_UNKNOWN; UNAVAILABLE */
  async #confirm(manifest: Manifest, stored: Stored): Promise<boolean> {
    const { collection, name } = this.#context
    if (collection === undefined) return false
    const { since, store } = stored
    const look = async () => {
      await store()
      await this.#requireOnStorage(manifest, stored)
    }
    const digests = await this.#contentOf(manifest, stored)
    return collection.confirmManifest(name, { digests, since, look })
  }

  /** Protects the manifest and its children from the removal of untagged manifests. It is linked again if it
   *  may have been removed.
   *  @returns the mark at which it exists
   *  @throws RegistryError MANIFEST_BLOB_UNKNOWN; UNAVAILABLE */
  async #outlast(
    manifest: Manifest,
    { mark, link, ...stored }: Stored & { mark: number | undefined; link: () => Promise<void> },
  ): Promise<number | undefined> {
    const { deletions } = this.#context
    const needed = await this.#contentOf(manifest, stored)
    for (let attempt = 1, since = mark; attempt <= MAX_ATTEMPTS; attempt++) {
      if (!(await deletions.hasDeletedSince(since, needed))) return since ?? deletions.mark
      since = deletions.mark
      await link()
      await this.#requireOnStorage(manifest, stored)
    }
    throw new RegistryError('UNAVAILABLE', { message: 'manifests of this repository are being removed' })
  }

  /** The manifests that an index consists of, where garbage is collected: one whose push was refused at its end, because what it
   *  needs had been deleted meanwhile, is there like any other. */
  async #below(manifest: Manifest): Promise<readonly Manifest[]> {
    if (this.#context.collection === undefined) return []
    const childrenOf = (one: Manifest) => this.#childrenOf(one)
    return manifestsBelow(manifest, { childrenOf, get: (digest) => this.get(digest) })
  }

  /** @throws RegistryError MANIFEST_BLOB_UNKNOWN */
  async #requireOnStorage(manifest: Manifest, { below, isCopy }: Stored): Promise<void> {
    if (isCopy) return
    for (const one of [manifest, ...below]) await this.#requireReferences(one, { onStorage: true })
  }

  /** The canonical digests of a manifest, its signatures, its references and theirs. */
  async #contentOf(manifest: Manifest, { canonical, below }: Stored): Promise<Digest[]> {
    const { layers, revisions } = this.#context
    const digests = new Set<Digest>([canonical, ...manifest.signatures.map((one) => digestOf(one))])
    for (const { descriptor } of [manifest, ...below].flatMap((one) => one.references())) {
      const { digest } = descriptor
      if (algorithmOf(digest) === CANONICAL) digests.add(digest)
      else for (const links of [layers, revisions]) digests.add((await links.get(digest)) ?? canonical)
    }
    return [...digests]
  }

  async delete(digest: Digest, { announce, checkTag }: DeleteManifestOptions = {}): Promise<readonly Tag[]> {
    const canonical = await this.#context.revisions.get(digest)
    if (canonical === undefined) {
      // An interrupted delete may have removed it without telling the caches.
      await this.#context.cache.evict(this.#source, [digest])
      throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
    }
    return this.#context.deletions.during(async (requireHeld) => {
      if (checkTag !== undefined) {
        for await (const tag of this.#neighbours.tags.lookup(canonical)) checkTag(tag)
      }
      const untagged = await this.#untagAll(canonical, { requireHeld, announce })
      await announce?.({ digest })
      await this.#delete(canonical, requireHeld)
      return untagged
    })
  }

  async #delete(canonical: Digest, requireHeld: RequireHeld): Promise<void> {
    const subject = (await readReferrer(this.#context.pool, { canonical }))?.subject
    requireHeld()
    this.#context.recentPushes.clear()
    const names = await this.#context.revisions.remove(canonical)
    await this.#context.cache.evict(this.#source, names)
    if (subject === undefined) return
    for (const name of names) await this.#neighbours.referrers().removed({ subject, name, canonical })
  }

  all(page?: Page): AsyncIterable<Digest> {
    return this.#context.revisions.all(page)
  }

  referrers(subject: Digest, query?: ReferrerQuery): AsyncIterable<ReferrerDescriptor> {
    return this.#neighbours.referrers().list(subject, query)
  }

  /** Links the manifest; in the subject's list of referrers first: see `ReferrerLinks`. */
  async #link(
    { subject, payload }: Manifest,
    { canonical, name, stored }: { canonical: Digest; name: Digest; stored: Promise<void> },
  ): Promise<void> {
    const { revisions } = this.#context
    if (subject === undefined) {
      await settleAll([stored, revisions.add(canonical, name, { after: stored })])
      return
    }
    const referrers = this.#neighbours.referrers()
    const referrer = { subject: subject.digest, name, canonical }
    const listed = referrers.add(referrer, { after: stored })
    await settleAll([stored, listed, revisions.add(canonical, name, { after: listed })])
    await referrers.added(referrer, payload)
  }

  /** @returns the tags that were removed */
  async #untagAll(
    canonical: Digest,
    { requireHeld, announce }: { requireHeld: RequireHeld; announce: DeleteManifestOptions['announce'] },
  ): Promise<Tag[]> {
    const { tags } = this.#neighbours
    const untagged: Tag[] = []
    const untag = async (some: readonly Tag[]) => {
      if (some.length === 0) return
      await announce?.({ tags: some })
      requireHeld()
      const removals = some.map(async (tag) => {
        if (await tags.untagFrom(tag, canonical)) untagged.push(tag)
      })
      await settleAll(removals)
    }
    let some: Tag[] = []
    for await (const tag of tags.lookup(canonical)) {
      some.push(tag)
      if (some.length < UNTAG_CONCURRENCY) continue
      await untag(some)
      some = []
    }
    await untag(some)
    return untagged
  }

  async #requireReferences(manifest: Manifest, { onStorage = false } = {}): Promise<void> {
    const required = distinct(manifest.references(), (reference) =>
      mustExist(reference, this.#context.policy),
    )
    const work = async (reference: ManifestReference) => ({
      reference,
      found: await this.#has(reference, onStorage),
    })
    const missing: RegistryError[] = []
    for await (const { reference, found } of mapInOrder(required, {
      concurrency: VERIFY_CONCURRENCY,
      work,
    })) {
      const { digest } = reference.descriptor
      if (!found) missing.push(new RegistryError('MANIFEST_BLOB_UNKNOWN', { detail: { digest } }))
      if (missing.length === MAX_MISSING_REFERENCES) break
    }
    const [first, ...others] = missing
    if (first !== undefined) throw new RegistryError(first.code, { detail: first.detail, others })
  }

  /** Other content of an index, such as the layers of a build cache, may be a blob or a manifest. */
  async #has({ kind, descriptor: { digest } }: ManifestReference, onStorage: boolean): Promise<boolean> {
    if (kind === 'blob') return this.#hasBlob(digest, onStorage)
    if (kind === 'manifest') return this.#hasManifest(digest)
    return (await this.#hasBlob(digest, onStorage)) || (await this.#hasManifest(digest))
  }

  /** True if the repository has the blob. Its link is made durable, because its push may not be acknowledged
   *  yet. */
  async #hasBlob(digest: Digest, onStorage: boolean): Promise<boolean> {
    const { blobs } = this.#neighbours
    if (!(await (onStorage ? blobs.isOnStorage(digest) : blobs.isStored(digest)))) return false
    await this.#context.layers.settle(digest)
    return true
  }

  async #hasManifest(digest: Digest): Promise<boolean> {
    const { revisions } = this.#context
    const isThere = await isOnStorage(this.#context, { source: this.#source, links: revisions }, digest)
    if (!isThere || !(await this.exists(digest))) return false
    await revisions.settle(digest)
    return true
  }
}

/** Removes duplicates, so that each reference is looked up once. */
function distinct(
  references: readonly ManifestReference[],
  isRequired: (reference: ManifestReference) => boolean,
): Iterable<ManifestReference> {
  const byContent = new Map<string, ManifestReference>()
  for (const reference of references) {
    if (isRequired(reference)) byContent.set(`${reference.kind} ${reference.descriptor.digest}`, reference)
  }
  return byContent.values()
}

function infoOf(payload: Uint8Array | undefined): ContentInfo | undefined {
  return payload && { mediaType: mediaTypeOf(payload), size: payload.length }
}

function requireDigest(payload: Uint8Array, digest: Digest): void {
  const algorithm = hashAlgorithmOf(digest)
  const computed = digestOf(payload, algorithm)
  if (computed === digest) return
  throw new RegistryError('DIGEST_INVALID', {
    message: 'the manifest has another digest',
    detail: { digest, computed },
  })
}
