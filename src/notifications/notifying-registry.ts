import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import {
  DecoratedRepositories,
  ForwardingBlobs,
  ForwardingManifests,
  ForwardingRepository,
  ForwardingTags,
  ForwardingUpload,
} from '../core/forwarding-registry.ts'
import type { Manifest } from '../core/manifest/manifest.ts'
import type { RepositoryName, Tag } from '../core/reference.ts'
import type {
  BlobService,
  BlobUpload,
  DeleteManifestOptions,
  ManifestDeletion,
  ManifestService,
  MountSource,
  PutManifestOptions,
  Registry,
  Repository,
  ResumeOptions,
  TagOptions,
  TagService,
  UntagOptions,
  UploadOptions,
} from '../core/registry.ts'
import type { ChangeReporter } from './change-reporter.ts'
import { referencesOf } from './references.ts'

/** Reports every change: it is announced before it is visible, and what came of it is noted before it is acknowledged. Reading goes
 *  through untouched. */
export class NotifyingRegistry extends DecoratedRepositories {
  readonly #reporter: ChangeReporter

  constructor(registry: Registry, reporter: ChangeReporter) {
    super(registry)
    this.#reporter = reporter
  }

  protected override decorate(inner: Repository): Repository {
    return new NotifyingRepository(inner, this.#reporter)
  }
}

class NotifyingRepository extends ForwardingRepository {
  readonly #blobs: BlobService
  readonly #manifests: ManifestService
  readonly #tags: TagService

  constructor(inner: Repository, reporter: ChangeReporter) {
    super(inner)
    this.#blobs = new NotifyingBlobs(inner, reporter)
    this.#manifests = new NotifyingManifests(inner, reporter)
    this.#tags = new NotifyingTags(inner, reporter)
  }

  override get blobs(): BlobService {
    return this.#blobs
  }

  override get manifests(): ManifestService {
    return this.#manifests
  }

  override get tags(): TagService {
    return this.#tags
  }
}

class NotifyingBlobs extends ForwardingBlobs {
  readonly #repository: RepositoryName
  readonly #reporter: ChangeReporter

  constructor({ blobs, name }: Repository, reporter: ChangeReporter) {
    super(blobs)
    this.#repository = name
    this.#reporter = reporter
  }

  override async createUpload(options?: UploadOptions): Promise<BlobUpload> {
    return this.#reported(await super.createUpload(options))
  }

  override async resume(id: string, options?: ResumeOptions): Promise<BlobUpload> {
    return this.#reported(await super.resume(id, options))
  }

  override mount(digest: Digest, from?: MountSource): Promise<Descriptor> {
    const fromRepository = typeof from === 'string' ? from : undefined
    return this.#reporter.report<Descriptor, Descriptor>(
      ({ mediaType, size }) => [
        {
          action: 'mount',
          target: { kind: 'blob', repository: this.#repository, mediaType, digest, size, fromRepository },
        },
      ],
      (announce) => super.mount(digest, from, { announce }),
    )
  }

  override delete(digest: Digest): Promise<void> {
    const target = { kind: 'blob', repository: this.#repository, digest } as const
    return this.#reporter.report<Digest, void>(
      () => [{ action: 'delete', target }],
      (announce) => super.delete(digest, { announce }),
    )
  }

  #reported(upload: BlobUpload): BlobUpload {
    return new NotifyingUpload(upload, this.#reporter)
  }
}

class NotifyingUpload extends ForwardingUpload {
  readonly #reporter: ChangeReporter

  constructor(upload: BlobUpload, reporter: ChangeReporter) {
    super(upload)
    this.#reporter = reporter
  }

  override commit(digest: Digest): Promise<Descriptor> {
    const { repository } = this
    return this.#reporter.report<Descriptor, Descriptor>(
      ({ mediaType, size }) => [
        { action: 'push', target: { kind: 'blob', repository, mediaType, digest, size } },
      ],
      (announce) => super.commit(digest, { announce }),
    )
  }
}

class NotifyingManifests extends ForwardingManifests {
  readonly #repository: RepositoryName
  readonly #reporter: ChangeReporter

  constructor({ manifests, name }: Repository, reporter: ChangeReporter) {
    super(manifests)
    this.#repository = name
    this.#reporter = reporter
  }

  /** With tags it is they that are reported, each by its own event. */
  override async put(
    manifest: Manifest,
    digest?: Digest,
    options: PutManifestOptions = {},
  ): Promise<Descriptor> {
    const references = this.#reporter.includesReferences ? referencesOf(manifest) : undefined
    if ((options.tags?.length ?? 0) > 0) {
      const stored = await super.put(manifest, digest, options)
      this.#reporter.keepReferences(stored, references)
      return stored
    }
    return this.#reporter.report<Descriptor, Descriptor>(
      (descriptor) => [
        {
          action: 'push',
          target: { kind: 'manifest', repository: this.#repository, ...descriptor, references },
        },
      ],
      (announce) => super.put(manifest, digest, { ...options, announce }),
    )
  }

  override delete(digest: Digest, options?: DeleteManifestOptions): Promise<readonly Tag[]> {
    const repository = this.#repository
    return this.#reporter.report<ManifestDeletion, readonly Tag[]>(
      (deleted) =>
        'digest' in deleted
          ? [{ action: 'delete', target: { kind: 'manifest', repository, digest } }]
          : deleted.tags.map((tag) => ({ action: 'delete', target: { kind: 'tag', repository, tag } })),
      (announce) => super.delete(digest, { ...options, announce }),
      (removed, { target }) => target.kind !== 'tag' || removed.some((tag) => tag === target.tag),
    )
  }
}

class NotifyingTags extends ForwardingTags {
  readonly #repository: RepositoryName
  readonly #reporter: ChangeReporter

  constructor({ tags, name }: Repository, reporter: ChangeReporter) {
    super(tags)
    this.#repository = name
    this.#reporter = reporter
  }

  override tag(tag: Tag, descriptor: Descriptor, options?: TagOptions): Promise<void> {
    const repository = this.#repository
    const references = this.#reporter.referencesOf(descriptor)
    return this.#reporter.report<Descriptor, void>(
      ({ mediaType, digest, size }) => [
        {
          action: 'push',
          target: { kind: 'manifest', repository, mediaType, digest, size, tag, references },
        },
      ],
      async (announce) => {
        await announce(descriptor)
        await super.tag(tag, descriptor, options)
      },
    )
  }

  override untag(tag: Tag, options?: UntagOptions): Promise<void> {
    const target = { kind: 'tag', repository: this.#repository, tag } as const
    return this.#reporter.report<Tag, void>(
      () => [{ action: 'delete', target }],
      (announce) => super.untag(tag, { ...options, announce }),
    )
  }
}
