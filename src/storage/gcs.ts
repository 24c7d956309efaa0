import type { Storage } from '@google-cloud/storage'
import { StorageError } from '../core/errors.ts'
import {
  type AppendOptions,
  type DeleteOptions,
  type Entry,
  type Fence,
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
import { type AppendBase, appendBaseOf, knownBase, NOTHING } from './gcs/append-base.ts'
import { Bucket } from './gcs/bucket.ts'
import { canSign, connect, type GcsConnectionOptions } from './gcs/connection.ts'
import { contentOf } from './gcs/content.ts'
import { Copier } from './gcs/copier.ts'
import { toStorageError } from './gcs/errors.ts'
import { Fences } from './gcs/fences.ts'
import { JsonApi } from './gcs/json-api.ts'
import { childKeys, listedObjects } from './gcs/listing.ts'
import { isFile } from './gcs/object-info.ts'
import { Pieces } from './gcs/pieces.ts'
import { readObject } from './gcs/reader.ts'
import { States } from './gcs/states.ts'
import { otherFile, parseIfGiven } from './gcs/version.ts'
import { ComposingWriter } from './gcs/writer.ts'
import { orderedEntries } from './object-store/children.ts'
import { ObjectStoreDriver } from './object-store/driver.ts'
import { GatherBudget } from './object-store/gather-budget.ts'
import { scannedFiles } from './object-store/scanned.ts'
import { requireFolder, requirePath } from './path.ts'

export interface GcsOptions extends GcsConnectionOptions {
  readonly bucket: string
  /** Prefix of all object names, with or without slashes around it. */
  readonly rootdirectory: string
  /** Bytes of a part of an appended file. */
  readonly chunksize: number
  /** Limit of concurrent calls. */
  readonly maxconcurrency: number
  /** Sent as `User-Agent`. */
  readonly useragent: string
  /** Idle timeout of a connection. Default: a minute. */
  readonly idleMs?: number
  /** Bytes that all uploads may hold in memory before they send smaller pieces. Default: any. */
  readonly transferMemory?: number
}

const IDLE_MS = 60_000
/** @see https://cloud.google.com/storage/docs/objects#naming */
const MAX_KEY_BYTES = 1024

/** Objects in a bucket of Google Cloud Storage, named as in Distribution: the root, then the path. Appended
 *  files are uploaded in pieces below `~pieces/` and then composed. A file's version is its object's
 *  generation. */
export class GcsDriver extends ObjectStoreDriver implements StorageDriver {
  readonly name = 'gcs'
  readonly scansFolders = false
  readonly #options: GcsOptions
  readonly #root: string
  readonly #storage: Storage
  readonly #api: JsonApi
  readonly #bucket: Bucket
  readonly #pieces: Pieces
  readonly #budget: GatherBudget
  readonly #copier: Copier
  readonly #states: States
  readonly #fences: Fences
  #canSign = false

  private constructor(storage: Storage, options: GcsOptions) {
    super()
    const root = options.rootdirectory.replace(/^\/+|\/+$/g, '')
    this.#options = options
    this.#root = root === '' ? '' : `${root}/`
    this.#storage = storage
    this.#api = new JsonApi(storage, {
      maxConcurrency: options.maxconcurrency,
      userAgent: options.useragent || 'entrepot',
      idleMs: options.idleMs ?? IDLE_MS,
    })
    this.#bucket = new Bucket(this.#api, options.bucket)
    this.#pieces = new Pieces(this.#bucket, this.#root)
    this.#budget = new GatherBudget(options.transferMemory)
    this.#copier = new Copier(this.#bucket)
    this.#states = new States(this.#bucket)
    this.#fences = new Fences(this.#bucket, this.#root)
  }

  /** Opens a driver, after checking the bucket with its credentials.
   *  @throws StorageError that names the key of the configuration */
  static async open(options: GcsOptions): Promise<GcsDriver> {
    const driver = new GcsDriver(await connect(options), options)
    try {
      await driver.#bucket.hasAny(driver.#root)
      driver.#canSign = await canSign(driver.#storage, options)
    } catch (cause) {
      await driver.close()
      const { code, message } = toStorageError(cause, '/')
      const where = `storage.gcs.bucket: cannot list ${options.bucket} at ${driver.#storage.apiEndpoint}`
      throw new StorageError(code, { path: '/', message: `${where}: ${message}`, cause })
    }
    return driver
  }

  async stat(path: string): Promise<FileInfo> {
    const key = this.#keyToRead(path)
    const found = await this.calling(path, () => this.#bucket.find(key))
    if (isFile(found)) {
      return { kind: 'file', size: Number(found.size), modifiedAt: new Date(found.updated ?? '') }
    }
    if (await this.calling(path, () => this.#bucket.hasAny(`${key}/`))) return { kind: 'folder' }
    throw new StorageError('PATH_NOT_FOUND', { path })
  }

  async get(path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.read(path)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async *read(path: string, { version, ...options }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const key = this.#keyToRead(path)
    const generation = parseIfGiven(version, path)?.generation
    yield* readObject({ bucket: this.#bucket, key, path, generation }, options)
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    const key = this.keyToPut(path, after)
    await after
    await this.calling(path, () => this.#bucket.insert(key, contentOf(content)))
  }

  /** Opens a file for appending. If the version is given, or the offset is 0, the object is not looked up; if
   *  that is wrong, the first sync fails. */
  async append(path: string, options: AppendOptions = {}): Promise<FileWriter> {
    const key = this.keyOf(path)
    const base = await this.#baseFor(options, { key, path })
    if ((options.offset ?? base.size ?? 0) !== (base.size ?? 0)) throw otherFile(path)
    const { chunksize: chunkBytes } = this.#options
    const shared = { bucket: this.#bucket, pieces: this.#pieces, budget: this.#budget, chunkBytes }
    return new ComposingWriter({ ...shared, key, path, base })
  }

  async *list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    const path = requireFolder(folder)
    const prefix = path === '' ? this.#root : `${this.#root}${path.slice(1)}/`
    const isFolder = (name: string) => this.#bucket.hasAny(`${prefix}${name}/`)
    yield* this.callingEach(
      folder,
      orderedEntries(childKeys(this.#bucket, { prefix, after }), { after, isFolder }),
    )
  }

  override async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const { replace = true, mayStay = false } = options
    const [key, target] = [this.keyOf(from), this.keyOf(to)]
    const source = { key, path: from, version: parseIfGiven(options.version, from) }
    return this.calling(from, async () => {
      if (key === target) {
        await this.#copier.find(source)
        return replace
      }
      const moved = await this.#copier.copy({ ...source, target, replace })
      if (moved !== undefined && !mayStay) await this.#bucket.remove(key, { ifGeneration: moved.generation })
      return moved !== undefined
    })
  }

  async delete(path: string, { knownChildren }: DeleteOptions = {}): Promise<void> {
    const key = this.keyOf(path)
    await this.calling(path, async () => {
      if (knownChildren !== undefined) await this.#removeAll(knownChildren.map((name) => `${key}/${name}`))
      else await Promise.all([this.#bucket.remove(key), this.#removeBelow(`${key}/`)])
    })
  }

  override async settle(path: string): Promise<void> {
    this.#keyToRead(path)
  }

  async getState(path: string): Promise<State | undefined> {
    const key = this.keyOf(path)
    return this.calling(path, () => this.#states.get(key))
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const key = this.keyOf(path)
    return this.calling(path, () => this.#states.swap({ key, path }, content, expected))
  }

  async *scan(folder: string, options: ScanOptions = {}): AsyncIterable<readonly ScannedFile[]> {
    const path = requireFolder(folder)
    const prefix = path === '' ? this.#root : `${this.#root}${path.slice(1)}/`
    const startOffset = options.after === undefined ? undefined : `${this.#root}${options.after.slice(1)}`
    const objects = listedObjects(this.#bucket, { prefix, startOffset })
    yield* this.callingEach(folder, scannedFiles(objects, { ...options, root: this.#root }))
  }

  /** Opens a fence. It has no lifetime: closing it does not wait for any time. */
  async openFence(): Promise<Fence> {
    return this.calling('/', () => this.#fences.open())
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    const keys = paths.map((path) => this.keyOf(path))
    await this.calling(paths[0] ?? '/', () => this.#fences.delete(keys, fence))
  }

  async closeFence(fence: Fence): Promise<void> {
    await this.calling('/', () => this.#fences.close(fence))
  }

  async redirectUrl(path: string): Promise<URL | undefined> {
    const key = this.#keyToRead(path)
    if (!this.#canSign) return undefined
    return this.calling(path, async () => {
      const file = this.#storage.bucket(this.#options.bucket).file(key)
      const expires = Date.now() + REDIRECT_LIFETIME_MS
      const [url] = await file.getSignedUrl({ version: 'v4', action: 'read', expires })
      return new URL(url)
    })
  }

  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
    try {
      for await (const { path, modifiedAt, remove } of this.#pieces.incompleteUploads()) {
        yield { path, modifiedAt, remove: () => this.calling(path, remove) }
      }
    } catch (cause) {
      throw toStorageError(cause, '/')
    }
  }

  async close(): Promise<void> {
    await this.#pieces.settle()
    this.#api.close()
  }

  async #baseFor(
    { offset, version }: AppendOptions,
    { key, path }: { key: string; path: string },
  ): Promise<AppendBase> {
    const told = parseIfGiven(version, path)
    if (told !== undefined) return knownBase(told)
    return offset === 0 ? NOTHING : appendBaseOf(await this.calling(path, () => this.#bucket.find(key)))
  }

  async #removeBelow(prefix: string): Promise<void> {
    for await (const { items } of this.#bucket.pages({ prefix })) {
      await this.#removeAll(items.map(({ name = '' }) => name))
    }
  }

  async #removeAll(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#bucket.remove(key)))
  }

  protected override toStorageError(cause: unknown, path: string): StorageError {
    return toStorageError(cause, path)
  }

  protected override keyOf(path: string): string {
    return this.#keyOf(path, 'PATH_INVALID')
  }

  #keyToRead(path: string): string {
    return this.#keyOf(path, 'PATH_NOT_FOUND')
  }

  #keyOf(path: string, ifTooLong: 'PATH_NOT_FOUND' | 'PATH_INVALID'): string {
    const key = this.#root + requirePath(path).slice(1)
    if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new StorageError(ifTooLong, { path })
    return key
  }
}
