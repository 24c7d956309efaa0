import type { Descriptor, ReferrerDescriptor } from '../../core/descriptor.ts'
import { type Digest, digestOf, hashAlgorithmOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { ForwardingManifests } from '../../core/forwarding-registry.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import { isMediaType, parseMediaType } from '../../core/media-type.ts'
import type { Tag } from '../../core/reference.ts'
import type { ReferrerQuery, StoredManifest } from '../../core/registry.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { UpstreamManifest } from '../../core/upstream/upstream-registry.ts'
import { SharedWork } from '../../lib/request-coalescing.ts'
import { whenFree } from '../sharing/when-free.ts'
import { clientError } from '../upstream/upstream.ts'
import { absenceKey, type MirroredRepositoryContext, memoryKey } from './context.ts'
import { pushRefused } from './push-refused.ts'

/** Manifests that are fetched from the upstream on the first pull. A manifest with the right digest never
 *  changes, so it is not fetched again while it is cached. */
export class MirroredManifests extends ForwardingManifests {
  readonly #context: MirroredRepositoryContext
  readonly #fetches = new SharedWork<StoredManifest>()
  readonly #lists = new SharedWork<readonly ReferrerDescriptor[]>()

  constructor(context: MirroredRepositoryContext) {
    super(context.stored.manifests)
    this.#context = context
  }

  override getIfCached(digest: Digest): StoredManifest | undefined {
    const found = super.getIfCached(digest)
    if (found !== undefined) this.#used(digest)
    return found
  }

  override async get(digest: Digest): Promise<StoredManifest> {
    const found = await this.find(digest)
    if (found !== undefined) return found
    try {
      return await this.fetch(digest)
    } catch (error) {
      throw clientError(error, 'MANIFEST_UNKNOWN', { digest })
    }
  }

  override async exists(digest: Digest): Promise<boolean> {
    try {
      await this.get(digest)
      return true
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return false
      throw error
    }
  }

  override async put(): Promise<Descriptor> {
    throw pushRefused(this.#context)
  }

  override async *referrers(subject: Digest, query: ReferrerQuery = {}): AsyncIterable<ReferrerDescriptor> {
    const { upstream, name, log } = this.#context
    let all: readonly ReferrerDescriptor[]
    try {
      all = await this.#lists.do(subject, () => upstream.referrers(name, subject))
    } catch (err) {
      if (!(err instanceof UpstreamError)) throw err
      if (err.code !== 'NOT_FOUND') log.warn({ repository: name, err }, 'only cached referrers are listed')
      yield* super.referrers(subject, query)
      return
    }
    const { after = '', artifactType } = query
    const wanted = new Map(
      all
        .filter(
          (one) => one.digest > after && (artifactType === undefined || one.artifactType === artifactType),
        )
        .map((one) => [one.digest, one]),
    )
    yield* [...wanted.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  }

  /** The cached manifest; undefined if it must be fetched. */
  async find(digest: Digest): Promise<StoredManifest | undefined> {
    const { name, memory } = this.#context
    const unstored = memory.manifests.get(memoryKey(name, digest))
    if (unstored !== undefined) return storedManifest(digest, unstored.payload, unstored.mediaType)
    try {
      const found = await super.get(digest)
      this.#used(digest)
      return found
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'MANIFEST_UNKNOWN') return undefined
      throw error
    }
  }

  /** Fetches a manifest by its digest. Concurrent calls, in all workers, share one request.
   *  @throws UpstreamError */
  fetch(digest: Digest): Promise<StoredManifest> {
    return this.#fetches.do(digest, () => {
      const { locks, name } = this.#context
      if (locks === undefined) return this.#fetch(digest)
      const fetch = async () => (await this.find(digest)) ?? this.#fetch(digest)
      return whenFree(locks, `manifest ${memoryKey(name, digest)}`, fetch)
    })
  }

  async #fetch(digest: Digest): Promise<StoredManifest> {
    const { upstream, name, memory } = this.#context
    const key = absenceKey('manifest', name, digest)
    if (memory.absences.has(key)) throw new UpstreamError('NOT_FOUND', { message: `${digest} is not there` })
    const { negativeMs } = upstream.settings
    try {
      return await this.keep(digest, await upstream.getManifest(name, digest))
    } catch (error) {
      const isAbsent = error instanceof UpstreamError && error.code === 'NOT_FOUND'
      if (isAbsent && negativeMs > 0) memory.absences.set(key, true, { ttl: negativeMs })
      throw error
    }
  }

  /** Fetches the manifest that a tag currently refers to.
   *  @throws UpstreamError */
  async fetchTagged(tag: Tag): Promise<StoredManifest> {
    const { upstream, name } = this.#context
    const fetched = await upstream.getManifest(name, tag)
    return this.keep(fetched.digest, fetched)
  }

  /** Checks a manifest's digest and stores it. If it can't be stored, it is kept in memory for some minutes.
   *  @param named undefined if the upstream did not send a digest
   *  @throws UpstreamError INVALID */
  async keep(named: Digest | undefined, { payload, contentType }: UpstreamManifest): Promise<StoredManifest> {
    const { upstream, name, memory, readOnly, log } = this.#context
    upstream.figures.misses++
    const manifest = parsed(payload, contentType)
    const bytes = manifest?.payload ?? payload
    const digest = named ?? digestOf(bytes)
    if (digestOf(bytes, hashAlgorithmOf(digest)) !== digest)
      throw new UpstreamError('INVALID', { message: `the upstream sent another manifest than ${digest}` })
    const mediaType = manifest?.mediaType ?? parseMediaType(contentType) ?? ''
    if (!isMediaType(mediaType))
      throw new UpstreamError('INVALID', { message: 'a manifest without a media type' })
    if (manifest !== undefined) this.#rememberSizes(manifest)
    memory.statuses.set(memoryKey(name, digest), { kind: 'miss', ageSeconds: 0, at: performance.now() })
    try {
      if (manifest === undefined || readOnly) throw undefined
      const descriptor = await super.put(manifest, digest, { isCopy: true })
      this.#used(digest)
      return { descriptor, payload: bytes }
    } catch (err) {
      if (err !== undefined)
        log.error({ repository: name, digest, err }, 'a manifest of an upstream was not stored')
      memory.manifests.set(memoryKey(name, digest), { payload: bytes, mediaType })
      return storedManifest(digest, bytes, mediaType)
    }
  }

  #rememberSizes(manifest: Manifest): void {
    const { memory, name } = this.#context
    for (const { kind, descriptor } of manifest.references()) {
      // Schema 1 has no sizes.
      if (kind !== 'manifest' && descriptor.size > 0)
        memory.sizes.set(memoryKey(name, descriptor.digest), descriptor.size)
    }
  }

  #used(digest: Digest): void {
    this.#context.usage.use(this.#context.name, digest)
    this.#context.upstream.figures.hits++
  }
}

/** Undefined for a manifest that this registry can't store. */
function parsed(payload: Uint8Array, contentType: string | undefined): Manifest | undefined {
  try {
    return parseManifest(payload, contentType)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

function storedManifest(digest: Digest, payload: Uint8Array, mediaType: string): StoredManifest {
  return { descriptor: { mediaType, digest, size: payload.length }, payload }
}
