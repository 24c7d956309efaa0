/** The registry's domain as interfaces. HTTP, maintenance and decorators depend on these only. */
import type { Descriptor, ReferrerDescriptor } from './descriptor.ts'
import type { Digest, HashAlgorithm } from './digest.ts'
import type { Manifest } from './manifest/manifest.ts'
import type { RepositoryName, Tag } from './reference.ts'
import type { ByteRange, IncompleteUpload, RedirectedClient } from './storage-driver.ts'

/** A page of a list: the names after `after`, in byte order. */
export interface Page {
  after?: string
}

/** A page of a manifest's referrers; `after` is a digest. */
export interface ReferrerQuery extends Page {
  artifactType?: string
}

export interface Registry {
  /** A handle on a repository, which may not exist yet. No I/O. */
  repository(name: RepositoryName): Repository
  /** The catalog: every repository, in byte order of the names. */
  repositories(page?: Page): AsyncIterable<RepositoryName>
  /** Every open upload, also of repositories that don't exist yet. */
  uploads(): AsyncIterable<BlobUpload>
  /** Parts of uploads on storage that no listing shows and that cost space; see
   *  `StorageDriver.incompleteUploads`. */
  incompleteUploads(): AsyncIterable<IncompleteBlobUpload>
  /** The time by the storage's clock, which all replicas share and the ages of uploads are measured by.
   *  Writes a file.
   *  @throws RegistryError, StorageError if storage rejects the write */
  storageTime(): Promise<Date>
  close(): Promise<void>
}

export interface IncompleteBlobUpload extends IncompleteUpload {
  /** The upload that it belongs to, by its path; undefined for other paths. It may not exist any more. */
  readonly upload: { readonly repository: RepositoryName; readonly id: string } | undefined
}

export interface Repository {
  readonly name: RepositoryName
  readonly blobs: BlobService
  readonly manifests: ManifestService
  readonly tags: TagService
  readonly signatures: SignatureService
  /** Of a repository that mirrors one of another registry; undefined for any other. */
  readonly mirrored: MirroredContent | undefined
  /** True if something was pushed to it. */
  exists(): Promise<boolean>
}

export interface MirroredContent {
  /** Origin of the last answer for the reference. Undefined if it is unknown. */
  statusOf(reference: Tag | Digest): CacheStatus | undefined
}

/** RFC 9211. */
export interface CacheStatus {
  /** `hit`: cached and valid; `validated`: cached, and confirmed by the upstream; `stale`: cached, and the
   *  upstream did not answer; `miss`: fetched. */
  readonly kind: 'hit' | 'validated' | 'stale' | 'miss'
  /** Since the upstream has said so, or sent it; undefined if this process does not know. */
  readonly ageSeconds: number | undefined
}

/** Additions of a decorator to a change. */
export interface ChangeOptions<Change> {
  /** Called once the change has passed every check, before any of it is visible. It becomes visible after the
   *  promise resolves, and never if it rejects. */
  readonly announce?: ((change: Change) => Promise<void>) | undefined
}

/** The result of deleting a manifest: some of its tags, or at last the manifest itself. */
export type ManifestDeletion = { readonly tags: readonly Tag[] } | { readonly digest: Digest }

/** The blobs of a repository. Bytes are stored once for all repositories, under their canonical digest; a
 *  repository has a blob while it has a link to it. Descriptors carry the digest that was asked for, which may be
 *  a TarSum. */
export interface BlobService {
  /** @throws RegistryError BLOB_UNKNOWN unless this repository has it */
  stat(digest: Digest): Promise<Descriptor>
  has(digest: Digest): Promise<boolean>
  /** A blob of this repository, if it is cached. Undefined says nothing: `open` decides. */
  getIfCached(digest: Digest): Blob | undefined
  /** @throws RegistryError BLOB_UNKNOWN unless this repository has it */
  open(digest: Digest): Promise<Blob>
  /** Starts an upload. `algorithm` is that of the digest that the client will commit with, if it says so. */
  createUpload(options?: UploadOptions): Promise<BlobUpload>
  /** An upload to be continued, on this replica or another. Its size may be out of date if other processes
   *  continue it too; `append` and `commit` compare it with storage. If an owner is given, uploads of others
   *  are unknown.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  resume(id: string, options?: ResumeOptions): Promise<BlobUpload>
  /** An upload with its current state from storage.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  getUpload(id: string, options?: ResumeOptions): Promise<BlobUpload>
  /** Links a blob of another repository into this one; no bytes are copied.
   *  @param from the repository, or a predicate for those that may be searched. Default: all
   *  @throws RegistryError BLOB_UNKNOWN */
  mount(digest: Digest, from?: MountSource, options?: ChangeOptions<Descriptor>): Promise<Descriptor>
  /** The digests of all blobs, of every algorithm. */
  all(page?: Page): AsyncIterable<Digest>
  /** Removes the link. Garbage collection removes the bytes.
   *  @throws RegistryError BLOB_UNKNOWN */
  delete(digest: Digest, options?: ChangeOptions<Digest>): Promise<void>
}

export interface UploadOptions {
  readonly algorithm?: HashAlgorithm | undefined
  /** The only identity that may continue it. Default: anyone may. */
  readonly owner?: string | undefined
  /** The digests of the first `size` bytes, if the caller computes them: the canonical one and that of the
   *  algorithm; none if it does not know them. Then the bytes are not hashed again. Default: they are hashed. */
  readonly digestsOf?: ((size: number) => readonly Digest[]) | undefined
}

export interface ResumeOptions {
  readonly owner?: string | undefined
}

export type MountSource = RepositoryName | ((repository: RepositoryName) => boolean)

/** A blob that can be read. */
export interface Blob {
  readonly descriptor: Descriptor
  /** Of a blob that mirrors one of another registry. */
  readonly cacheStatus?: CacheStatus | undefined
  /** Its bytes, if they are in memory. */
  readonly content: Uint8Array | undefined
  /** **A chunk is valid only until the next one is requested.** */
  read(options?: { range?: ByteRange; signal?: AbortSignal }): AsyncIterable<Uint8Array>
  /** A URL from which the client can fetch it by itself, or undefined. */
  redirectUrl(client: RedirectedClient): Promise<URL | undefined>
}

export interface UploadAppendOptions {
  /** Position of the first byte. Default: the end. */
  offset?: number
  /** True if `commit` follows at once and makes the bytes durable. Default: false. */
  last?: boolean
  /** A file of the local file system with all bytes of the source. If storage can take it over, it is renamed, and
   *  the source is not read. */
  file?: string | undefined
}

/** An upload of a blob in progress. Acknowledged bytes survive a crash; any process can continue it. */
export interface BlobUpload {
  readonly id: string
  readonly repository: RepositoryName
  readonly startedAt: Date
  /** Time of the last append, or of the start if there was none. */
  readonly lastWrittenAt: Date
  /** Bytes stored so far. */
  readonly size: number
  /** Appends bytes and makes them durable. If the source fails midway, the bytes before stay.
   *  @throws RegistryError RANGE_INVALID if `offset` is not the size, or if another append is running;
   *    BLOB_UPLOAD_UNKNOWN if the upload has been removed meanwhile */
  append(source: AsyncIterable<Uint8Array>, options?: UploadAppendOptions): Promise<void>
  /** Turns the bytes into a blob of the repository. Idempotent.
   *  @throws RegistryError DIGEST_INVALID if the bytes have another digest, and then removes the upload;
   *    RANGE_INVALID if another process has appended since; BLOB_UPLOAD_UNKNOWN if the upload is gone and the
   *    repository has no such blob */
  commit(digest: Digest, options?: ChangeOptions<Descriptor>): Promise<Descriptor>
  /** Removes the upload and its bytes. */
  cancel(): Promise<void>
}

/** A manifest as it was pushed, byte for byte. The descriptor carries the digest that was asked for. */
export interface StoredManifest {
  readonly descriptor: Descriptor
  readonly payload: Uint8Array
}

export interface PutManifestOptions extends ChangeOptions<Descriptor> {
  /** True for a copy from another registry: its references may arrive later, and the policy for pushes does
   *  not apply. Default: false. */
  readonly isCopy?: boolean
  /** The tags that the caller sets next, as parts of the same push. Default: none. */
  readonly tags?: readonly Tag[] | undefined
}

export interface DeleteManifestOptions extends ChangeOptions<ManifestDeletion> {
  /** Called for each tag that names the manifest, before anything is removed, and while no other tag of it can be
   *  acknowledged. Throws to refuse the deletion. */
  readonly checkTag?: ((tag: Tag) => void) | undefined
}

export interface ManifestService {
  exists(digest: Digest): Promise<boolean>
  /** A manifest of this repository, if it is cached. Undefined says nothing: `get` decides. */
  getIfCached(digest: Digest): StoredManifest | undefined
  /** @throws RegistryError MANIFEST_UNKNOWN */
  get(digest: Digest): Promise<StoredManifest>
  /** Stores a manifest if the repository has everything that it references. Its JWS signatures are verified
   *  and kept in `SignatureService`.
   *  @param digest the client's name for it, checked against the bytes. Default: the canonical digest
   *  @throws RegistryError DIGEST_INVALID, MANIFEST_INVALID, MANIFEST_UNVERIFIED, MANIFEST_BLOB_UNKNOWN (one
   *    for each missing reference) */
  put(manifest: Manifest, digest?: Digest, options?: PutManifestOptions): Promise<Descriptor>
  /** Removes the manifest and every tag that names it.
   *  @returns the tags that were removed
   *  @throws RegistryError MANIFEST_UNKNOWN */
  delete(digest: Digest, options?: DeleteManifestOptions): Promise<readonly Tag[]>
  all(page?: Page): AsyncIterable<Digest>
  /** The manifests whose `subject` is this digest, in order of their digests. The subject need not exist. */
  referrers(subject: Digest, query?: ReferrerQuery): AsyncIterable<ReferrerDescriptor>
}

/** What a tag names, and since when. */
export interface TagEntry {
  readonly tag: Tag
  /** Canonical. */
  readonly digest: Digest
  /** When it was last set, also to the same manifest, by the storage's clock. */
  readonly setAt: Date
}

/** An answer of `TagService.find`. */
export interface TagReading {
  readonly digest: Digest | undefined
}

export interface TagOptions {
  /** What `find` has just said, so that no decorator reads it again. Default: each that needs it does. */
  readonly before?: TagReading | undefined
}

export interface UntagOptions extends ChangeOptions<Tag> {
  /** Removes the tag only if it was not set again since; a push at the same time prevails. MANIFEST_UNKNOWN otherwise.
   *  Default: whatever it names. */
  readonly unchangedSince?: TagEntry | undefined
}

export interface TagService {
  /** The digest that the tag names.
   *  @throws RegistryError MANIFEST_UNKNOWN */
  get(tag: Tag): Promise<Digest>
  /** The same, but undefined if there is no such tag. */
  find(tag: Tag): Promise<Digest | undefined>
  /** Points the tag to a manifest. The descriptor is that of a `put` or `get`, so a tag can't name a missing
   *  manifest by mistake. The last write wins.
   *  @throws RegistryError MANIFEST_UNKNOWN if the manifest was deleted meanwhile */
  tag(tag: Tag, descriptor: Descriptor, options?: TagOptions): Promise<void>
  /** @throws RegistryError MANIFEST_UNKNOWN */
  untag(tag: Tag, options?: UntagOptions): Promise<void>
  /** The tags in byte order, read as they are iterated. */
  all(page?: Page): AsyncIterable<Tag>
  /** Every tag with what it names, read as they are iterated. */
  entries(): AsyncIterable<TagEntry>
  /** What the tag names, and since when. Undefined if there is no such tag. */
  entry(tag: Tag): Promise<TagEntry | undefined>
  /** The tags that name the digest. */
  lookup(digest: Digest): AsyncIterable<Tag>
  /** Every digest that the tag has ever named, in no particular order. */
  history(tag: Tag): AsyncIterable<Digest>
}

/** Docker's signed schema 1, sigstore's cosign, or the Notary Project's Notation. */
export type SignatureKind = 'jws' | 'cosign' | 'notation'

/** A signature of a manifest. */
export interface SignatureInfo {
  readonly kind: SignatureKind
  /** The signature itself, a blob of the repository. */
  readonly descriptor: Descriptor
  /** The manifest that carries it. A JWS has none. */
  readonly manifest?: Digest
  /** The annotations of the carrying manifest and of the signature in it. */
  readonly annotations: Readonly<Record<string, string>>
  /** Time of the push, by the storage's clock. */
  readonly pushedAt: Date
}

/** Signatures of manifests. They are kept apart from the manifests, so signing changes no digest. */
export interface SignatureService {
  /** The JWS signatures of a manifest as JSON, in order of their digests, at most `MAX_SIGNATURES`. None if
   *  there is no such manifest. */
  get(digest: Digest): Promise<Uint8Array[]>
  /** Adds signatures that the caller has verified. Idempotent. Signatures may be added before their manifest,
   *  by its canonical digest, so that it is never visible without them.
   *  @throws RegistryError MANIFEST_UNKNOWN if a digest by another algorithm names no manifest */
  put(digest: Digest, ...signatures: Uint8Array[]): Promise<void>
  /** All signatures of a manifest, of every kind. The manifest itself need not exist. */
  list(digest: Digest): AsyncIterable<SignatureInfo>
}
