import { randomUUID } from 'node:crypto'
import { type Descriptor, OCTET_STREAM } from '../core/descriptor.ts'
import type { ContentSource, DescriptorCache, StoredContent } from '../core/descriptor-cache.ts'
import { CANONICAL, type Digest } from '../core/digest.ts'
import { isPathNotFound, RegistryError } from '../core/errors.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Blob, BlobService, BlobUpload, MountSource, Page, UploadOptions } from '../core/registry.ts'
import type { ByteRange, RedirectedClient, StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blob-pool.ts'
import { StoredUpload, type UploadContext } from './blob-upload.ts'
import type { LinkSet } from './links.ts'
import type { RepositoryPaths, UploadPaths } from './paths.ts'
import { isOwner, writeOwner } from './upload-owner.ts'
import type { UploadSessions } from './upload-sessions.ts'

export interface BlobServiceParts {
  readonly repository: RepositoryName
  readonly paths: RepositoryPaths
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly layers: LinkSet
  readonly sessions: UploadSessions
  readonly cache: DescriptorCache
  /** Finds a blob in another repository; in any that may be looked into where none is named. */
  readonly findElsewhere: (digest: Digest, from?: MountSource) => Promise<StoredContent | undefined>
}

const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export class LinkedBlobs implements BlobService {
  readonly #parts: BlobServiceParts
  readonly #source: ContentSource

  constructor(parts: BlobServiceParts) {
    const { repository, layers, pool } = parts
    this.#parts = parts
    this.#source = {
      repository,
      kind: 'blob',
      resolve: (digest) => layers.get(digest),
      async describe(canonical) {
        const size = await pool.size(canonical)
        return size === undefined ? undefined : { mediaType: OCTET_STREAM, size }
      },
    }
  }

  /** Undefined unless this repository has a link to it and its bytes are there. */
  find(digest: Digest): Promise<StoredContent | undefined> {
    return this.#parts.cache.find(this.#source, digest)
  }

  peek(digest: Digest): Blob | undefined {
    const found = this.#parts.cache.peek(this.#source, digest)
    return found && new PooledBlob(found, this.#parts.pool)
  }

  async stat(digest: Digest): Promise<Descriptor> {
    return (await this.#require(digest)).descriptor
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.find(digest)) !== undefined
  }

  async open(digest: Digest): Promise<Blob> {
    return new PooledBlob(await this.#require(digest), this.#parts.pool)
  }

  async upload({ algorithm = CANONICAL, owner }: UploadOptions = {}): Promise<BlobUpload> {
    const id = randomUUID()
    const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000)
    const context = this.#uploadContext(id)
    await this.#parts.storage.put(context.paths.startedAt, Buffer.from(formatSeconds(startedAt)), {
      durable: false,
    })
    // Second, so that whatever a crash leaves is found and purged; nobody knows the id before the owner does.
    if (owner !== undefined) await writeOwner(this.#parts.storage, { paths: context.paths, owner })
    this.#parts.sessions.begin(id, [algorithm])
    return new StoredUpload({ id, startedAt, lastWrittenAt: startedAt, size: 0 }, context)
  }

  async resume(id: string, { owner }: { owner?: string | undefined } = {}): Promise<BlobUpload> {
    const upload = UPLOAD_ID.test(id) ? await this.#findUploadOf(owner, id) : undefined
    if (upload === undefined)
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', { detail: { upload: id.slice(0, 64) } })
    return upload
  }

  /** Every upload that can be resumed. */
  async *uploads(): AsyncIterable<BlobUpload> {
    for await (const { name } of this.#parts.storage.list(this.#parts.paths.uploads)) {
      const upload = UPLOAD_ID.test(name) ? await this.#findUpload(name) : undefined
      if (upload !== undefined) yield upload
    }
  }

  async mount(digest: Digest, from?: MountSource): Promise<Descriptor> {
    const blob = await this.#parts.findElsewhere(digest, from)
    if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    await this.#parts.cache.learn(this.#source, digest, async () => {
      await this.#parts.layers.add(blob.canonical, digest)
      return blob
    })
    return blob.descriptor
  }

  all(page?: Page): AsyncIterable<Digest> {
    return this.#parts.layers.all(page)
  }

  async delete(digest: Digest): Promise<void> {
    const canonical = await this.#parts.layers.get(digest)
    if (canonical === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    const names = await this.#parts.layers.remove(canonical)
    await this.#parts.cache.evict(this.#source, names)
  }

  async #require(digest: Digest): Promise<StoredContent> {
    const blob = await this.find(digest)
    if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    return blob
  }

  async #findUploadOf(owner: string | undefined, id: string): Promise<BlobUpload | undefined> {
    if (owner === undefined) return this.#findUpload(id)
    const paths = this.#parts.paths.upload(id)
    const [upload, isTheirs] = await Promise.all([
      this.#findUpload(id),
      isOwner(this.#parts.storage, { paths, owner }),
    ])
    return isTheirs ? upload : undefined
  }

  async #findUpload(id: string): Promise<BlobUpload | undefined> {
    const context = this.#uploadContext(id)
    const [startedAt, data] = await Promise.all([
      this.#startedAt(context.paths),
      this.#dataSoFar(context.paths),
    ])
    const first = startedAt ?? data?.modifiedAt
    if (first === undefined) return undefined
    const state = { id, startedAt: first, lastWrittenAt: data?.modifiedAt ?? first, size: data?.size ?? 0 }
    return new StoredUpload(state, context)
  }

  /** Undefined where the file is missing or a crash left it empty. */
  async #startedAt(paths: UploadPaths): Promise<Date | undefined> {
    try {
      const startedAt = new Date(
        Buffer.from(await this.#parts.storage.get(paths.startedAt))
          .toString()
          .trim(),
      )
      return Number.isNaN(startedAt.getTime()) ? undefined : startedAt
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  async #dataSoFar(paths: UploadPaths): Promise<{ size: number; modifiedAt: Date } | undefined> {
    try {
      const info = await this.#parts.storage.stat(paths.data)
      return info.kind === 'file' ? info : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  #uploadContext(id: string): UploadContext {
    return {
      ...this.#parts,
      paths: this.#parts.paths.upload(id),
      learn: (digest, work) => this.#parts.cache.learn(this.#source, digest, work),
    }
  }
}

class PooledBlob implements Blob {
  readonly descriptor: Descriptor
  readonly #canonical: Digest
  readonly #pool: BlobPool

  constructor({ descriptor, canonical }: StoredContent, pool: BlobPool) {
    this.descriptor = descriptor
    this.#canonical = canonical
    this.#pool = pool
  }

  get content(): Uint8Array | undefined {
    return this.#pool.peek(this.#canonical)
  }

  read(options: { range?: ByteRange; signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    const { size } = this.descriptor
    if (size === 0) return nothing()
    return this.#pool.read({ canonical: this.#canonical, size }, options)
  }

  redirectUrl(client: RedirectedClient): Promise<URL | undefined> {
    return this.#pool.redirectUrl(this.#canonical, client)
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}

/** RFC 3339 in UTC with whole seconds, as Distribution writes it. */
function formatSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z')
}
