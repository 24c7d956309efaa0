/** The whole domain as interfaces: what the wire, the cache and the maintenance work know of the registry. */
import type { Descriptor, ReferrerDescriptor } from './descriptor.ts'
import type { Digest, DigestAlgorithm } from './digest.ts'
import type { Manifest } from './manifest/manifest.ts'
import type { RepositoryName, Tag } from './reference.ts'
import type { ByteRange, Leftover, RedirectedClient } from './storage-driver.ts'

/** Where a list goes on: names behind `after`, in byte order. */
export interface Page {
  after?: string
}

/** Which referrers of a manifest; `after` is a digest. */
export interface ReferrerQuery extends Page {
  artifactType?: string
}

export interface Registry {
  /** A reference to a repository, which may not exist yet: no I/O. */
  repository(name: RepositoryName): Repository
  /** The catalog: every repository, in byte order of the names. */
  repositories(page?: Page): AsyncIterable<RepositoryName>
  /** Every upload that was begun and neither finished nor cancelled, of repositories that don't exist yet as well. */
  uploads(): AsyncIterable<BlobUpload>
  /** What was begun on storage and shows in no listing. */
  leftovers(): AsyncIterable<UploadLeftover>
  close(): Promise<void>
}

export interface UploadLeftover extends Leftover {
  /** The upload it was begun for, by its path; there may be none of this id any more. */
  readonly upload: { readonly repository: RepositoryName; readonly id: string } | undefined
}

export interface Repository {
  readonly name: RepositoryName
  readonly blobs: BlobService
  readonly manifests: ManifestService
  readonly tags: TagService
  readonly signatures: SignatureService
  /** True once something was pushed to it. */
  exists(): Promise<boolean>
}

/** A repository's view of the shared blob pool. A blob is visible only while a link names it; its bytes are stored
 *  once, under their canonical digest. Descriptors carry the digest they were asked for. */
export interface BlobService {
  /** @throws RegistryError BLOB_UNKNOWN unless this repository has it */
  stat(digest: Digest): Promise<Descriptor>
  has(digest: Digest): Promise<boolean>
  /** A blob of this repository, if it is known without asking storage. Undefined says nothing: `open` decides. */
  getIfCached(digest: Digest): Blob | undefined
  /** @throws RegistryError BLOB_UNKNOWN unless this repository has it */
  open(digest: Digest): Promise<Blob>
  /** Begins an upload. `algorithm` is the one that the client will name the blob by, if it says so. */
  createUpload(options?: UploadOptions): Promise<BlobUpload>
  /** An upload to be continued, on this replica or another. Its size may be out of date if other processes continue it too;
   *  `append` and `commit` go by storage. If an owner is given, the uploads of others are unknown.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  resume(id: string, options?: ResumeOptions): Promise<BlobUpload>
  /** An upload as storage has it now.
   *  @throws RegistryError BLOB_UPLOAD_UNKNOWN */
  getUpload(id: string, options?: ResumeOptions): Promise<BlobUpload>
  /** Makes a blob of another repository one of this one too, without moving bytes.
   *  @param from the repository, or which ones may be looked into; any, when it is absent
   *  @throws RegistryError BLOB_UNKNOWN */
  mount(digest: Digest, from?: MountSource): Promise<Descriptor>
  /** The digests of the blobs, aliases by another algorithm included. */
  all(page?: Page): AsyncIterable<Digest>
  /** Removes the link; the bytes are removed by garbage collection.
   *  @throws RegistryError BLOB_UNKNOWN */
  delete(digest: Digest): Promise<void>
}

export interface UploadOptions {
  readonly algorithm?: DigestAlgorithm | undefined
  /** Whose it is; absent where everybody may go on with it. */
  readonly owner?: string | undefined
}

export interface ResumeOptions {
  readonly owner?: string | undefined
}

export type MountSource = RepositoryName | ((repository: RepositoryName) => boolean)

/** A blob that can be read. */
export interface Blob {
  readonly descriptor: Descriptor
  /** Its bytes, where they are in memory. */
  readonly content: Uint8Array | undefined
  /** **A chunk is valid only until the next one is asked for.** */
  read(options?: { range?: ByteRange; signal?: AbortSignal }): AsyncIterable<Uint8Array>
  /** Where the client can fetch it by itself, or undefined. */
  redirectUrl(client: RedirectedClient): Promise<URL | undefined>
}

export interface UploadAppendOptions {
  /** Where the bytes belong; the end of what is there when absent. */
  offset?: number
  /** True if `commit` follows at once and makes the bytes durable. Default: false. */
  last?: boolean
}

/** Bytes on their way in. What was acknowledged can be continued after a crash, by this process or another. */
export interface BlobUpload {
  readonly id: string
  readonly repository: RepositoryName
  readonly startedAt: Date
  /** When its bytes grew last; the time it was started while there are none. */
  readonly lastWrittenAt: Date
  /** Bytes on storage so far. */
  readonly size: number
  /** Adds bytes at the end and makes them durable. When the source fails midway, what came before stays.
   *  @throws RegistryError RANGE_INVALID when `offset` is not the size, or while another append runs;
   *    BLOB_UPLOAD_UNKNOWN when the upload has gone meanwhile */
  append(source: AsyncIterable<Uint8Array>, options?: UploadAppendOptions): Promise<void>
  /** Makes the bytes a blob of the repository. May be repeated.
   *  @throws RegistryError DIGEST_INVALID when the bytes have another digest; the upload is then gone. RANGE_INVALID when
   *    somebody else has added some since. BLOB_UPLOAD_UNKNOWN when it has gone, and the repository has no such blob */
  commit(digest: Digest): Promise<Descriptor>
  /** Removes the upload and its bytes. */
  cancel(): Promise<void>
}

/** A manifest as it was pushed, byte for byte. The descriptor carries the digest it was asked for. */
export interface StoredManifest {
  readonly descriptor: Descriptor
  readonly payload: Uint8Array
}

export interface ManifestService {
  exists(digest: Digest): Promise<boolean>
  /** A manifest of this repository, if it is known without asking storage. Undefined says nothing: `get` decides. */
  getIfCached(digest: Digest): StoredManifest | undefined
  /** @throws RegistryError MANIFEST_UNKNOWN */
  get(digest: Digest): Promise<StoredManifest>
  /** Stores it once everything it refers to is in the repository. `digest` is the name the client gave it, checked
   *  against the bytes; the canonical one where it is absent.
   *  The signatures it came with are verified and kept in `SignatureService`.
   *  @throws RegistryError DIGEST_INVALID, MANIFEST_INVALID, MANIFEST_UNVERIFIED, MANIFEST_BLOB_UNKNOWN (one for each
   *    that is missing) */
  put(manifest: Manifest, digest?: Digest): Promise<Descriptor>
  /** Removes the revision and every tag that names it.
   *  @throws RegistryError MANIFEST_UNKNOWN */
  delete(digest: Digest): Promise<void>
  all(page?: Page): AsyncIterable<Digest>
  /** The manifests of this repository whose subject is the digest, in the order of their digests; the subject itself
   *  need not be there. */
  referrers(subject: Digest, query?: ReferrerQuery): AsyncIterable<ReferrerDescriptor>
}

export interface TagService {
  /** The digest that the tag names.
   *  @throws RegistryError MANIFEST_UNKNOWN */
  get(tag: Tag): Promise<Digest>
  /** Lets the tag name a manifest, by the descriptor that putting or getting it has given: a tag of what is not there
   *  cannot be made by mistake. The last write wins. */
  tag(tag: Tag, descriptor: Descriptor): Promise<void>
  /** @throws RegistryError MANIFEST_UNKNOWN */
  untag(tag: Tag): Promise<void>
  /** The tags, in byte order: looked at as they are asked for, and never all held at a time. */
  all(page?: Page): AsyncIterable<Tag>
  /** The tags that name the digest. */
  lookup(digest: Digest): AsyncIterable<Tag>
  /** Every digest that the tag ever named, in no order. */
  history(tag: Tag): AsyncIterable<Digest>
}

/** What a signature is one of: Docker's signed schema 1, sigstore's cosign, the Notary Project's Notation. */
export type SignatureKind = 'jws' | 'cosign' | 'notation'

/** A signature of a manifest, wherever it is kept. */
export interface SignatureInfo {
  readonly kind: SignatureKind
  /** Of the signature itself, which is a blob of the repository. */
  readonly descriptor: Descriptor
  /** The manifest that carries it; a JWS has none. */
  readonly manifest?: Digest
  /** Of the carrying manifest and of the signature in it. */
  readonly annotations: Readonly<Record<string, string>>
  /** When the repository got it, by the storage's clock. */
  readonly pushedAt: Date
}

/** Signatures of manifests, kept apart from them: who signs later changes neither the manifest nor its digest. */
export interface SignatureService {
  /** The JWS signatures of a manifest, each as JSON, in byte order of their digests: at most `MAX_SIGNATURES` of them.
   *  None for a manifest that is not there. */
  get(digest: Digest): Promise<Uint8Array[]>
  /** Adds signatures, which the caller has verified; one that is there already changes nothing. They may come before
   *  the manifest, which then never stands without them, where it is named by its canonical digest.
   *  @throws RegistryError MANIFEST_UNKNOWN for another digest that names no manifest */
  put(digest: Digest, ...signatures: Uint8Array[]): Promise<void>
  /** Every signature known of the manifest, whatever its kind; the manifest itself need not be there. */
  list(digest: Digest): AsyncIterable<SignatureInfo>
}
