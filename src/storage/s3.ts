import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  FileInfo,
  FileWriter,
  Leftover,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  StorageDriver,
} from '../core/storage-driver.ts'
import { orderedEntries } from './object-store/children.ts'
import { requireFolder, requirePath } from './path.ts'
import { type Abilities, NO_ABILITIES, probeAbilities } from './s3/abilities.ts'
import { AppendedObjects, type KnownObject } from './s3/appended-object.ts'
import { Bucket } from './s3/bucket.ts'
import { createClient, createSigner } from './s3/client.ts'
import { copyObject } from './s3/copy.ts'
import {
  describe,
  isConditionFailed,
  isCutShort,
  isFolderInTheWay,
  isMissing,
  storageError,
} from './s3/errors.ts'
import { PartBuffers } from './s3/part-buffers.ts'
import { readObject } from './s3/reader.ts'
import { Removal } from './s3/removal.ts'
import type { S3Options, S3Settings } from './s3/settings.ts'
import { type Beginning, S3Writer } from './s3/writer.ts'

/** How long a client may use the URL it is sent to. */
const REDIRECT_SECONDS = 20 * 60

/** How often is tried what may go better a moment later, though the SDK does not try it again by itself: to get an object whose
 *  bytes ended too early, to put one where a gateway to a file system is about to remove a folder. */
const MAX_ATTEMPTS = 3

export interface S3Parts {
  readonly settings: S3Settings
  readonly client: S3Client
  readonly abilities: Abilities
}

/** Objects in a bucket of Amazon S3, or of a store that speaks its protocol, under the keys that Distribution gives them:
 *  the root directory, and the path without its leading slash. An object appears whole or not at all. */
export class S3Driver implements StorageDriver {
  readonly name = 's3'
  readonly #settings: S3Settings
  /** In front of every key: empty, or with a slash at the end. */
  readonly #root: string
  readonly #bucket: Bucket
  readonly #objects: AppendedObjects
  readonly #removal: Removal
  readonly #buffers: PartBuffers
  readonly #signer: S3Client

  private constructor({ settings, client, abilities }: S3Parts) {
    this.#settings = settings
    this.#root = rootOf(settings)
    this.#bucket = new Bucket(client, settings)
    this.#objects = new AppendedObjects(this.#bucket, abilities)
    this.#removal = new Removal(this.#objects)
    this.#buffers = new PartBuffers(settings.chunksize)
    this.#signer = createSigner(settings)
  }

  /** A driver whose bucket is known to be there and to take objects. Which conditions of a write the store honours is found
   *  out, and written to the log.
   *  @throws StorageError when the bucket can't be used */
  static async open(settings: S3Settings, options: S3Options): Promise<S3Driver> {
    const client = createClient(settings, options)
    try {
      const abilities = await tryOut(new Bucket(client, settings), rootOf(settings), options)
      return new S3Driver({ settings, client, abilities })
    } catch (cause) {
      client.destroy()
      const message = `the bucket ${settings.bucket} can't be used: ${describe(cause)}`
      throw new StorageError('BACKEND_FAILED', { path: '/', message, cause })
    }
  }

  async stat(path: string): Promise<FileInfo> {
    const key = this.#key(path)
    try {
      const { size, modifiedAt } = await this.#bucket.head(key)
      return { kind: 'file', size, modifiedAt }
    } catch (cause) {
      if (!isMissing(cause)) throw storageError(cause, path)
      return this.#translated(path, () => this.#statOther(path, key))
    }
  }

  async get(path: string): Promise<Uint8Array> {
    const key = this.#key(path)
    return this.#translated(path, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#bucket.content(key)
        } catch (error) {
          if (!isCutShort(error) || attempt === MAX_ATTEMPTS) throw error
        }
      }
    })
  }

  async *read(path: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#key(path)
    try {
      yield* readObject(this.#bucket, { key, path }, options)
    } catch (cause) {
      if (!isMissing(cause)) throw storageError(cause, path)
      if ((await this.#translated(path, () => this.#objects.seal(key))) === undefined)
        throw storageError(cause, path)
      yield* this.read(path, options)
    }
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    after?.catch(() => undefined) // the path may be refused before it is waited for
    const key = this.#key(path)
    await after
    await this.#translated(path, async () => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#bucket.put(key, content)
        } catch (error) {
          if (!isFolderInTheWay(error) || attempt === MAX_ATTEMPTS) throw error
        }
      }
    })
  }

  async append(path: string, { offset }: AppendOptions = {}): Promise<FileWriter> {
    const key = this.#key(path)
    const beginning = await this.#translated(path, () => this.#beginning(key, offset))
    if (beginning === undefined) throw new StorageError('OFFSET_INVALID', { path })
    return new S3Writer(beginning, {
      path,
      key,
      objects: this.#objects,
      buffers: this.#buffers,
      settings: this.#settings,
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
    try {
      yield* orderedEntries(pages(this.#bucket), { after, isFolder })
    } catch (cause) {
      throw storageError(cause, folder)
    }
  }

  async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const { replace = true, mayStay = false, size } = options
    const source = this.#key(from)
    const target = this.#key(to)
    return this.#translated(from, async () => {
      const copy = async (object: KnownObject) =>
        source === target
          ? replace
          : copyObject(
              this.#objects,
              { from: source, ...object },
              { to: target, replace, settings: this.#settings },
            )
      const isDone =
        (await this.#asKnown(source, { size, work: copy })) ?? (await copy(await this.#settled(source, size)))
      if (isDone && !mayStay && source !== target) await this.#removal.finished([source])
      return isDone
    })
  }

  async delete(path: string, { holding }: DeleteOptions = {}): Promise<void> {
    const key = this.#key(path)
    const work = () =>
      holding === undefined
        ? this.#removal.all(key)
        : this.#removal.finished(holding.map((name) => `${key}/${name}`))
    await this.#translated(path, work)
  }

  async redirectUrl(path: string): Promise<URL | undefined> {
    const command = new GetObjectCommand({ Bucket: this.#settings.bucket, Key: this.#key(path) })
    return this.#translated(
      path,
      async () => new URL(await getSignedUrl(this.#signer, command, { expiresIn: REDIRECT_SECONDS })),
    )
  }

  /** Uploads in parts that no record speaks of: of this driver, cut short before they were promised to anybody, or of
   *  another registry. */
  async *leftovers(): AsyncIterable<Leftover> {
    try {
      for await (const upload of this.#bucket.openUploads(this.#root)) {
        if ((await this.#objects.uploadIdOf(upload.key)) === upload.uploadId) continue
        const modifiedAt = (await this.#bucket.newestPartAt(upload)) ?? upload.startedAt
        const path = `/${upload.key.slice(this.#root.length)}`
        const remove = () => this.#translated(path, () => this.#bucket.abortUpload(upload))
        yield { path, modifiedAt, remove }
      }
    } catch (cause) {
      throw storageError(cause, '/')
    }
  }

  async close(): Promise<void> {
    this.#bucket.close()
    this.#signer.destroy()
  }

  #key(path: string): string {
    return this.#root + requirePath(path).slice(1)
  }

  #folderKey(path: string): string {
    const folder = requireFolder(path)
    return folder === '' ? this.#root : `${this.#root}${folder.slice(1)}/`
  }

  async #statOther(path: string, key: string): Promise<FileInfo> {
    const [assembling, isFolder] = await Promise.all([
      this.#objects.assembling(key),
      this.#bucket.holds(`${key}/`),
    ])
    if (assembling !== undefined) return { kind: 'file', ...assembling }
    if (isFolder) return { kind: 'folder' }
    throw new StorageError('PATH_NOT_FOUND', { path })
  }

  /** What is to be gone on with at the offset; undefined when something of another length stands there. Where the store keeps
   *  an object from being made twice, it need not be looked for first. */
  async #beginning(key: string, offset: number | undefined): Promise<Beginning | undefined> {
    const known = this.#objects.known(key)
    if (known === undefined && offset === 0 && this.#objects.abilities.createOnly) return { kind: 'absent' }
    if (offset !== undefined) {
      const work = (object: KnownObject) => this.#beginningWith(key, object)
      const beginning = await this.#asKnown(key, { size: offset, work })
      if (beginning !== undefined) return beginning
    }
    const standing = await this.#objects.look(key)
    const size = standing.kind === 'absent' ? 0 : standing.size
    if (offset !== undefined && offset !== size) return undefined
    if (standing.kind === 'absent') return { kind: 'absent' }
    if (standing.kind === 'object') return this.#beginningWith(key, standing)
    const record = await this.#objects.readRecord(key)
    return record && { kind: 'assembly', etag: record.etag, assembly: record }
  }

  async #beginningWith(key: string, { size, etag }: KnownObject): Promise<Beginning> {
    if (size >= this.#settings.chunksize) return { kind: 'large', size, etag }
    return { kind: 'small', etag, content: await this.#bucket.content(key, { etag }) }
  }

  /** Does what can be done to an object that this process has put itself, without looking for it. Undefined where there is no
   *  such object, or where it turns out to have changed since: nothing was done then.
   *  @throws StorageError OFFSET_INVALID where it has changed and was to have a certain size */
  async #asKnown<Result>(
    key: string,
    { size, work }: { size: number | undefined; work: (object: KnownObject) => Promise<Result> },
  ): Promise<Result | undefined> {
    const known = this.#objects.known(key)
    if (known === undefined || (size !== undefined && size !== known.size)) return undefined
    try {
      return await work(known)
    } catch (error) {
      if (!isMissing(error) && !isConditionFailed(error)) throw error
      this.#objects.forget(key)
      // Another object of the same size is not the one that was meant.
      if (size !== undefined && isConditionFailed(error))
        throw new StorageError('OFFSET_INVALID', { path: key, cause: error })
      return undefined
    }
  }

  /** The object under a key, once it is one.
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID when it has another size */
  async #settled(key: string, size: number | undefined): Promise<KnownObject> {
    const standing = await this.#objects.look(key)
    if (standing.kind !== 'absent' && size !== undefined && standing.size !== size)
      throw new StorageError('OFFSET_INVALID', { path: key })
    const object = standing.kind === 'assembly' ? await this.#objects.seal(key) : standing
    if (object === undefined || !('etag' in object)) throw new StorageError('PATH_NOT_FOUND', { path: key })
    return object
  }

  async #translated<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (cause) {
      throw storageError(cause, path)
    }
  }
}

function rootOf({ rootdirectory }: S3Settings): string {
  const root = rootdirectory.replace(/^\/+|\/+$/g, '')
  return root === '' ? '' : `${root}/`
}

async function tryOut(
  bucket: Bucket,
  root: string,
  { log, readOnly = false }: S3Options,
): Promise<Abilities> {
  if (readOnly) {
    await bucket.holds(root)
    return NO_ABILITIES
  }
  const abilities = await probeAbilities(bucket, root)
  log.info(abilities, 'conditional writes that the store honours')
  return abilities
}
