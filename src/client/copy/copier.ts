import pLimit, { type LimitFunction } from 'p-limit'
import type { Descriptor } from '../../core/descriptor.ts'
import { type Digest, hexOf } from '../../core/digest.ts'
import type { ManifestReference } from '../../core/manifest/manifest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import { settleAll } from '../../lib/settle-all.ts'
import { BlobStream } from './blob-stream.ts'
import type { BlobOutcome, ImageManifest, ImageSource, ImageTarget } from './image-store.ts'
import { type PlatformChoice, platformManifest } from './platforms.ts'
import type { Retries } from './retries.ts'

/** Is told what copying does. */
export interface CopyObserver {
  /** A blob's bytes begin to move, or go on.
   *  @param position how many of its bytes are at the target */
  onBlob(descriptor: Descriptor, position: number): void
  onBlobDone(descriptor: Descriptor, outcome: BlobOutcome): void
  onManifest(digest: Digest, outcome: 'existing' | 'copied'): void
}

export interface CopierOptions {
  /** Blobs that are copied at the same time. */
  readonly jobs: number
  readonly retries: Retries
  readonly observer: CopyObserver
  readonly signal?: AbortSignal | undefined
}

export interface CopyRequest {
  readonly source: ImageSource
  readonly target: ImageTarget
  /** Of the source; undefined for its only image, or the tag `latest`. */
  readonly reference: string | undefined
  /** At the target; undefined for none. */
  readonly tag: string | undefined
  /** Undefined for all platforms of an index. */
  readonly platform?: PlatformChoice | undefined
  /** Also what refers to the image and its platforms, and Cosign's tags for them. */
  readonly referrers?: boolean
}

/** Copies images byte for byte. Each blob and manifest goes to a target once, however many images have it, and
 *  not at all if it is there. */
export class Copier {
  readonly #limit: LimitFunction
  readonly #options: CopierOptions
  /** Work on what several images have, by target and digest. */
  readonly #begun = new Map<string, Promise<void>>()
  /** Repositories that have a blob, by registry and digest. */
  readonly #places = new Map<string, RepositoryName>()

  constructor(options: CopierOptions) {
    this.#options = options
    this.#limit = pLimit(options.jobs)
  }

  /** @returns what the tag at the target names now
   *  @throws UpstreamError; RegistryError for a malformed reference; errors of files */
  async copy(request: CopyRequest): Promise<ImageManifest> {
    const { source, reference, tag, platform, referrers = false } = request
    const { signal } = this.#options
    const named = await source.manifest(reference, signal)
    const root = platform === undefined ? named : await platformManifest(source, named, platform, signal)
    const copied = new Set<Digest>()
    await this.#copyTree(request, root, { reference: tag, copied })
    if (referrers) await this.#copyReferrers(request, copied)
    return root
  }

  /** Everything that a manifest needs, and then itself.
   *  @param copied gets the digests of all manifests */
  async #copyTree(
    request: CopyRequest,
    manifest: ImageManifest,
    { reference, copied }: { reference?: string | undefined; copied: Set<Digest> },
  ): Promise<void> {
    const { target } = request
    const { signal, observer } = this.#options
    const { digest } = manifest
    copied.add(digest)
    const isThere = await this.#limit(() => target.hasManifest(digest, signal))
    const children = manifest.references.filter(isCopied)
    if (!isThere) await settleAll(children.map((child) => this.#copyChild(request, child, copied)))
    else if (request.referrers) await this.#noteChildren(request, children, copied)
    if (!isThere || reference !== undefined)
      await this.#limit(() => target.putManifest(manifest, reference, signal))
    observer.onManifest(digest, isThere ? 'existing' : 'copied')
  }

  async #copyChild(request: CopyRequest, { kind, descriptor }: ManifestReference, copied: Set<Digest>) {
    if (kind === 'blob') return this.#copyBlob(request, descriptor)
    if (kind === 'manifest') return this.#copyManifest(request, descriptor.digest, copied)
    // Of an index: a build cache lists layers, others manifests of unknown types.
    try {
      await this.#copyBlob(request, descriptor)
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== 'NOT_FOUND') throw error
      await this.#copyManifest(request, descriptor.digest, copied)
    }
  }

  #copyManifest(request: CopyRequest, digest: Digest, copied: Set<Digest>): Promise<void> {
    copied.add(digest)
    return this.#once(`${request.target.name} manifest ${digest}`, async () => {
      const manifest = await this.#limit(() => request.source.manifest(digest, this.#options.signal))
      await this.#copyTree(request, manifest, { copied })
    })
  }

  /** The manifests of an index that is at the target already, for their referrers. */
  async #noteChildren({ source }: CopyRequest, children: readonly ManifestReference[], copied: Set<Digest>) {
    for (const { kind, descriptor } of children) {
      if (kind !== 'manifest' || copied.has(descriptor.digest)) continue
      copied.add(descriptor.digest)
      const { references } = await source.manifest(descriptor.digest, this.#options.signal)
      await this.#noteChildren({ source } as CopyRequest, references.filter(isCopied), copied)
    }
  }

  #copyBlob(request: CopyRequest, descriptor: Descriptor): Promise<void> {
    const { source, target } = request
    const { digest } = descriptor
    return this.#once(`${target.name} blob ${digest}`, () =>
      this.#limit(async () => {
        const { observer, retries, signal } = this.#options
        signal?.throwIfAborted()
        const stream = new BlobStream(source, descriptor, { retries, signal })
        const outcome = await target.putBlob({
          descriptor,
          mountFrom: this.#mountable(request, digest),
          open: (start) => stream.from(start),
          onPosition: (position) => observer.onBlob(descriptor, position),
          signal,
        })
        const { location } = target
        if (location !== undefined) this.#places.set(`${location.registry} ${digest}`, location.repository)
        observer.onBlobDone(descriptor, outcome)
      }),
    )
  }

  /** The source's repository if it is at the same registry, or one that the blob was copied to. */
  #mountable({ source, target }: CopyRequest, digest: Digest): RepositoryName | undefined {
    if (target.location === undefined) return undefined
    const { registry, repository } = target.location
    const isSame = source.location?.registry === registry
    const place = isSame ? source.location.repository : this.#places.get(`${registry} ${digest}`)
    return place === repository ? undefined : place
  }

  async #copyReferrers(request: CopyRequest, subjects: ReadonlySet<Digest>): Promise<void> {
    const { source } = request
    const { signal } = this.#options
    const seen = new Set<Digest>()
    for (let pending = [...subjects]; pending.length > 0; ) {
      const copied = new Set<Digest>()
      const lists = pending.map((subject) => this.#limit(() => source.referrers(subject, signal)))
      const found = (await Promise.all(lists)).flat()
      await settleAll(found.map(({ digest }) => this.#copyManifest(request, digest, copied)))
      for (const digest of pending) seen.add(digest)
      pending = [...copied].filter((digest) => !seen.has(digest))
    }
    for await (const tag of source.tags(signal)) {
      if (!isCosignTag(tag, seen)) continue
      const manifest = await source.manifest(tag, signal)
      await this.#copyTree({ ...request, referrers: false }, manifest, { reference: tag, copied: new Set() })
    }
  }

  /** Work that is not repeated, unless it has failed. */
  #once(key: string, work: () => Promise<void>): Promise<void> {
    const known = this.#begun.get(key)
    if (known !== undefined) return known
    const begun = work()
    this.#begun.set(key, begun)
    begun.catch(() => this.#begun.delete(key))
    return begun
  }
}

/** False for what its URLs provide, and may not be distributed. */
function isCopied({ required }: ManifestReference): boolean {
  return required
}

/** Cosign's tags for signatures, attestations and SBOMs of a manifest, such as `sha256-<hex>.sig`. */
function isCosignTag(tag: string, subjects: ReadonlySet<Digest>): boolean {
  const hex = /^sha256-([0-9a-f]{64})\.(?:sig|att|sbom)$/.exec(tag)?.[1]
  return hex !== undefined && [...subjects].some((digest) => hexOf(digest) === hex)
}
