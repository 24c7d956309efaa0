import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { StorageError } from '../core/errors.ts'
import {
  type AppendOptions,
  type DeleteOptions,
  type Entry,
  type Fence,
  type FenceOptions,
  type FileInfo,
  type FileVersion,
  type FileWriter,
  type IncompleteUpload,
  type ListOptions,
  type MoveOptions,
  type PutOptions,
  REDIRECT_LIFETIME_MS,
  type ReadOptions,
  type ScannedFile,
  type ScanOptions,
  type State,
  type StorageDriver,
} from '../core/storage-driver.ts'
import { orderedEntries } from './object-store/children.ts'
import { ObjectStoreDriver } from './object-store/driver.ts'
import { ExpiringDeletes } from './object-store/expiring-deletes.ts'
import { scannedFiles } from './object-store/scanned.ts'
import { requireFolder, requirePath } from './path.ts'
import { AppendedObjects } from './s3/appended-object.ts'
import { abandonedUploads } from './s3/appending/abandoned-uploads.ts'
import { findAppendBase } from './s3/appending/append-base.ts'
import { PartBuffers } from './s3/appending/part-buffers.ts'
import { S3Writer } from './s3/appending/writer.ts'
import { Bucket, type ObjectContent } from './s3/bucket.ts'
import { createClient, createSigner } from './s3/client.ts'
import type { ConditionalWriteSupport } from './s3/conditional-write-support.ts'
import { Moves } from './s3/copying/moves.ts'
import {
  describe,
  isCutShort,
  isFolderInTheWay,
  isMissing,
  isOther,
  isRepeated,
  MAX_ATTEMPTS,
  storageError,
} from './s3/errors.ts'
import { gatheringBudget, tryOut } from './s3/opening.ts'
import { readObject } from './s3/reader.ts'
import { isRecord } from './s3/record.ts'
import { Removal } from './s3/removal.ts'
import type { S3Options, S3Settings } from './s3/settings.ts'
import { signedDeletes } from './s3/signed-delete.ts'
import { parseVersion } from './s3/versions.ts'

export interface S3Parts {
  readonly settings: S3Settings
  readonly client: S3Client
  readonly support: ConditionalWriteSupport
  /** Memory for the parts of uploads; beyond it they are gathered in files. */
  readonly maxGatheredBytes: number
}

/** Objects in a bucket of Amazon S3, or of a compatible store, with Distribution's keys: the root directory,
 *  and the path without its leading slash. Objects appear atomically. */
export class S3Driver extends ObjectStoreDriver implements StorageDriver {
  readonly name = 's3'
  readonly scansFolders = false
  readonly #settings: S3Settings
  /** Prefix of every key: empty, or with a trailing slash. */
  readonly #root: string
  readonly #bucket: Bucket
  readonly #objects: AppendedObjects
  readonly #removal: Removal
  readonly #moves: Moves
  readonly #buffers: PartBuffers
  readonly #signer: S3Client
  readonly #expiring: ExpiringDeletes

  private constructor({ settings, client, support, maxGatheredBytes }: S3Parts) {
    super()
    this.#settings = settings
    this.#root = rootOf(settings)
    this.#bucket = new Bucket(client, settings)
    this.#objects = new AppendedObjects(this.#bucket, support, settings)
    this.#removal = new Removal(this.#objects)
    this.#moves = new Moves({ bucket: this.#bucket, objects: this.#objects, removal: this.#removal })
    this.#buffers = new PartBuffers({ partBytes: settings.chunksize, maxBytes: maxGatheredBytes })
    this.#signer = createSigner(settings)
    const { bucket: bucketName } = settings
    this.#expiring = new ExpiringDeletes(
      signedDeletes({ client, bucket: this.#bucket, bucketName, support, root: this.#root }),
    )
  }

  /** Opens a driver, after checking that the bucket exists and is writable. Probes which conditional writes
   *  the store supports, and logs them.
   *  @throws StorageError if the bucket can't be used */
  static async open(settings: S3Settings, options: S3Options): Promise<S3Driver> {
    const client = createClient(settings, options)
    try {
      const support = await tryOut(new Bucket(client, settings), rootOf(settings), options)
      const maxGatheredBytes = await gatheringBudget(options)
      return new S3Driver({ settings, client, support, maxGatheredBytes })
    } catch (cause) {
      client.destroy()
      const message = `the bucket ${settings.bucket} can't be used: ${describe(cause)}`
      throw new StorageError('BACKEND_FAILED', { path: '/', message, cause })
    }
  }

  async stat(path: string): Promise<FileInfo> {
    const key = this.keyOf(path)
    return this.calling(path, async () => {
      const state = await this.#objects.look(key)
      if (state !== undefined) return { kind: 'file', size: state.size, modifiedAt: state.modifiedAt }
      if (await this.#bucket.holds(`${key}/`)) return { kind: 'folder' }
      throw new StorageError('PATH_NOT_FOUND', { path })
    })
  }

  async get(path: string): Promise<Uint8Array> {
    const key = this.keyOf(path)
    return this.calling(path, () => this.#content(key))
  }

  async *read(path: string, { version, range, signal }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.keyOf(path)
    try {
      if (version === undefined) return yield* readObject(this.#objects, { key, path }, { range, signal })
      const object = await this.#objects.objectOf(key, parseVersion(version, path))
      const meant = object.mayBeLonger ? { start: 0, end: object.size - 1 } : undefined
      yield* readObject(this.#objects, { key, path, object }, { range: range ?? meant, signal })
    } catch (cause) {
      throw storageError(cause, path)
    }
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    const key = this.keyToPut(path, after)
    await after
    await this.calling(path, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#bucket.put(key, content)
        } catch (error) {
          if (!isFolderInTheWay(error) || attempt === MAX_ATTEMPTS) throw error
        }
      }
    })
  }

  async append(path: string, { offset, version }: AppendOptions = {}): Promise<FileWriter> {
    const key = this.keyOf(path)
    const known = version === undefined ? undefined : parseVersion(version, path)
    const where = { key, offset, known, partBytes: this.#settings.chunksize }
    const base = await this.calling(path, () => findAppendBase(this.#objects, where))
    return new S3Writer(base, {
      path,
      key,
      objects: this.#objects,
      buffers: this.#buffers,
    })
  }

  async *list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    const prefix = this.#folderKey(folder)
    const pages = async function* (bucket: Bucket) {
      const options = { after: after === '' ? undefined : prefix + after, delimiter: '/' } as const
      for await (const keys of bucket.pages(prefix, options))
        yield { keys: keys.map((key) => key.slice(prefix.length)) }
    }
    const isFolder = (name: string) => this.#bucket.holds(`${prefix}${name}/`)
    yield* this.callingEach(folder, orderedEntries(pages(this.#bucket), { after, isFolder }))
  }

  override async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const { replace = true, mayStay = false, version } = options
    const source = this.keyOf(from)
    const move = { to: this.keyOf(to), replace, mayStay }
    return this.calling(from, () =>
      version === undefined
        ? this.#moves.whatStands(source, move)
        : this.#moves.known(source, parseVersion(version, from), move),
    )
  }

  async delete(path: string, { knownChildren }: DeleteOptions = {}): Promise<void> {
    const key = this.keyOf(path)
    const work = () =>
      knownChildren === undefined
        ? this.#removal.all(key)
        : this.#removal.finished(knownChildren.map((name) => `${key}/${name}`))
    await this.calling(path, work)
  }

  async getState(path: string): Promise<State | undefined> {
    const key = this.keyOf(path)
    try {
      const { content, etag } = await this.#object(key)
      return { content, version: etag }
    } catch (cause) {
      if (isMissing(cause)) return undefined
      throw storageError(cause, path)
    }
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const key = this.keyOf(path)
    const condition = expected === undefined ? ({ absent: true } as const) : { etag: expected }
    try {
      return (await this.#objects.writes.put(key, content, { condition })).etag
    } catch (cause) {
      if (!isOther(cause) && !isMissing(cause)) throw storageError(cause, path)
      if (!isRepeated((cause as StorageError).cause)) return undefined
      const message = `${path}: the state was swapped meanwhile; it is unknown if this request has succeeded before`
      throw new StorageError('BUSY', { path, message, cause })
    }
  }

  async *scan(folder: string, options: ScanOptions = {}): AsyncIterable<readonly ScannedFile[]> {
    const { after = '' } = options
    const prefix = this.#folderKey(folder)
    const afterKey = after === '' ? undefined : this.#root + after.slice(1)
    const pages = this.#bucket.objects(prefix, afterKey)
    yield* this.callingEach(folder, scannedFiles(pages, { ...options, root: this.#root }))
  }

  async openFence(options?: FenceOptions): Promise<Fence> {
    return this.calling('/', () => this.#expiring.open(options))
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    const keys = paths.map((path) => this.keyOf(path))
    await this.calling(paths[0] ?? '/', () => this.#expiring.delete(keys, fence))
  }

  async closeFence(fence: Fence): Promise<void> {
    await this.calling('/', () => this.#expiring.close(fence))
  }

  async redirectUrl(path: string): Promise<URL | undefined> {
    const command = new GetObjectCommand({ Bucket: this.#settings.bucket, Key: this.keyOf(path) })
    return this.calling(
      path,
      async () =>
        new URL(await getSignedUrl(this.#signer, command, { expiresIn: REDIRECT_LIFETIME_MS / 1000 })),
    )
  }

  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
    try {
      for await (const upload of abandonedUploads(this.#bucket, this.#objects, this.#root)) {
        const path = `/${upload.key.slice(this.#root.length)}`
        const remove = () => this.calling(path, () => this.#bucket.abortUpload(upload))
        yield { path, modifiedAt: upload.modifiedAt, remove }
      }
    } catch (cause) {
      throw storageError(cause, '/')
    }
  }

  async close(): Promise<void> {
    this.#bucket.close()
    this.#signer.destroy()
  }

  protected override keyOf(path: string): string {
    return this.#root + requirePath(path).slice(1)
  }

  #folderKey(path: string): string {
    const folder = requireFolder(path)
    return folder === '' ? this.#root : `${this.#root}${folder.slice(1)}/`
  }

  async #content(key: string): Promise<Buffer> {
    const { content, metadata } = await this.#object(key)
    if (!isRecord(metadata)) return content
    return this.#objects.content(key, await this.#objects.objectOf(key, undefined))
  }

  /** A small object. Retried if its body ends early. */
  async #object(key: string): Promise<ObjectContent> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#bucket.content(key)
      } catch (error) {
        if (!isCutShort(error) || attempt === MAX_ATTEMPTS) throw error
      }
    }
  }

  protected override toStorageError(cause: unknown, path: string): StorageError {
    return storageError(cause, path)
  }
}

function rootOf({ rootdirectory }: S3Settings): string {
  const root = rootdirectory.replace(/^\/+|\/+$/g, '')
  return root === '' ? '' : `${root}/`
}
