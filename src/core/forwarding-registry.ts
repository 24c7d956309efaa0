/** Bases of decorators of `Registry` and its services: each forwards every call. A decorator overrides single
 *  methods. docs/adding-an-extension.md shows one. */
import type { Descriptor, ReferrerDescriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import type { Manifest } from './manifest/manifest.ts'
import type { RepositoryName, Tag } from './reference.ts'
import type {
  Blob,
  BlobService,
  BlobUpload,
  ChangeOptions,
  DeleteManifestOptions,
  IncompleteBlobUpload,
  ManifestService,
  MirroredContent,
  MountSource,
  Page,
  PutManifestOptions,
  ReferrerQuery,
  Registry,
  Repository,
  ResumeOptions,
  SignatureService,
  StoredManifest,
  TagEntry,
  TagOptions,
  TagService,
  UntagOptions,
  UploadAppendOptions,
  UploadOptions,
} from './registry.ts'

export class ForwardingRegistry implements Registry {
  protected readonly registry: Registry

  constructor(registry: Registry) {
    this.registry = registry
  }

  /** Called for every request: a decorated repository must be cheap to make. */
  repository(name: RepositoryName): Repository {
    return this.registry.repository(name)
  }

  repositories(page?: Page): AsyncIterable<RepositoryName> {
    return this.registry.repositories(page)
  }

  uploads(): AsyncIterable<BlobUpload> {
    return this.registry.uploads()
  }

  incompleteUploads(): AsyncIterable<IncompleteBlobUpload> {
    return this.registry.incompleteUploads()
  }

  storageTime(): Promise<Date> {
    return this.registry.storageTime()
  }

  close(): Promise<void> {
    return this.registry.close()
  }
}

/** The base of a decorator of all repositories. Each is decorated once, for as long as the inner registry keeps it, so a request
 *  makes no object. */
export abstract class DecoratedRepositories extends ForwardingRegistry {
  readonly #decorated = new WeakMap<Repository, Repository>()

  override repository(name: RepositoryName): Repository {
    const inner = super.repository(name)
    const known = this.#decorated.get(inner)
    if (known !== undefined) return known
    const decorated = this.decorate(inner)
    this.#decorated.set(inner, decorated)
    return decorated
  }

  /** @returns the repository itself if it needs no decoration */
  protected abstract decorate(inner: Repository): Repository
}

export class ForwardingRepository implements Repository {
  protected readonly inner: Repository

  constructor(inner: Repository) {
    this.inner = inner
  }

  get name(): RepositoryName {
    return this.inner.name
  }

  get blobs(): BlobService {
    return this.inner.blobs
  }

  get manifests(): ManifestService {
    return this.inner.manifests
  }

  get tags(): TagService {
    return this.inner.tags
  }

  get signatures(): SignatureService {
    return this.inner.signatures
  }

  get mirrored(): MirroredContent | undefined {
    return this.inner.mirrored
  }

  exists(): Promise<boolean> {
    return this.inner.exists()
  }
}

export class ForwardingBlobs implements BlobService {
  protected readonly blobs: BlobService

  constructor(blobs: BlobService) {
    this.blobs = blobs
  }

  stat(digest: Digest): Promise<Descriptor> {
    return this.blobs.stat(digest)
  }

  has(digest: Digest): Promise<boolean> {
    return this.blobs.has(digest)
  }

  getIfCached(digest: Digest): Blob | undefined {
    return this.blobs.getIfCached(digest)
  }

  open(digest: Digest): Promise<Blob> {
    return this.blobs.open(digest)
  }

  createUpload(options?: UploadOptions): Promise<BlobUpload> {
    return this.blobs.createUpload(options)
  }

  resume(id: string, options?: ResumeOptions): Promise<BlobUpload> {
    return this.blobs.resume(id, options)
  }

  getUpload(id: string, options?: ResumeOptions): Promise<BlobUpload> {
    return this.blobs.getUpload(id, options)
  }

  mount(digest: Digest, from?: MountSource, options?: ChangeOptions<Descriptor>): Promise<Descriptor> {
    return this.blobs.mount(digest, from, options)
  }

  all(page?: Page): AsyncIterable<Digest> {
    return this.blobs.all(page)
  }

  delete(digest: Digest, options?: ChangeOptions<Digest>): Promise<void> {
    return this.blobs.delete(digest, options)
  }
}

export class ForwardingUpload implements BlobUpload {
  protected readonly upload: BlobUpload

  constructor(upload: BlobUpload) {
    this.upload = upload
  }

  get id(): string {
    return this.upload.id
  }

  get repository(): RepositoryName {
    return this.upload.repository
  }

  get startedAt(): Date {
    return this.upload.startedAt
  }

  get lastWrittenAt(): Date {
    return this.upload.lastWrittenAt
  }

  get size(): number {
    return this.upload.size
  }

  append(source: AsyncIterable<Uint8Array>, options?: UploadAppendOptions): Promise<void> {
    return this.upload.append(source, options)
  }

  commit(digest: Digest, options?: ChangeOptions<Descriptor>): Promise<Descriptor> {
    return this.upload.commit(digest, options)
  }

  cancel(): Promise<void> {
    return this.upload.cancel()
  }
}

export class ForwardingManifests implements ManifestService {
  protected readonly manifests: ManifestService

  constructor(manifests: ManifestService) {
    this.manifests = manifests
  }

  exists(digest: Digest): Promise<boolean> {
    return this.manifests.exists(digest)
  }

  getIfCached(digest: Digest): StoredManifest | undefined {
    return this.manifests.getIfCached(digest)
  }

  get(digest: Digest): Promise<StoredManifest> {
    return this.manifests.get(digest)
  }

  put(manifest: Manifest, digest?: Digest, options?: PutManifestOptions): Promise<Descriptor> {
    return this.manifests.put(manifest, digest, options)
  }

  delete(digest: Digest, options?: DeleteManifestOptions): Promise<readonly Tag[]> {
    return this.manifests.delete(digest, options)
  }

  all(page?: Page): AsyncIterable<Digest> {
    return this.manifests.all(page)
  }

  referrers(subject: Digest, query?: ReferrerQuery): AsyncIterable<ReferrerDescriptor> {
    return this.manifests.referrers(subject, query)
  }
}

export class ForwardingTags implements TagService {
  protected readonly tags: TagService

  constructor(tags: TagService) {
    this.tags = tags
  }

  get(tag: Tag): Promise<Digest> {
    return this.tags.get(tag)
  }

  find(tag: Tag): Promise<Digest | undefined> {
    return this.tags.find(tag)
  }

  tag(tag: Tag, descriptor: Descriptor, options?: TagOptions): Promise<void> {
    return this.tags.tag(tag, descriptor, options)
  }

  untag(tag: Tag, options?: UntagOptions): Promise<void> {
    return this.tags.untag(tag, options)
  }

  all(page?: Page): AsyncIterable<Tag> {
    return this.tags.all(page)
  }

  entries(): AsyncIterable<TagEntry> {
    return this.tags.entries()
  }

  entry(tag: Tag): Promise<TagEntry | undefined> {
    return this.tags.entry(tag)
  }

  lookup(digest: Digest): AsyncIterable<Tag> {
    return this.tags.lookup(digest)
  }

  history(tag: Tag): AsyncIterable<Digest> {
    return this.tags.history(tag)
  }
}
