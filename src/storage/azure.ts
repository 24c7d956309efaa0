import type { ContainerClient } from '@azure/storage-blob'
import pLimit from 'p-limit'
import { isPathNotFound, StorageError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  Fence,
  FenceOptions,
  FileInfo,
  FileVersion,
  FileWriter,
  IncompleteUpload,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  ScannedFile,
  ScanOptions,
  State,
  StorageDriver,
} from '../core/storage-driver.ts'
import { openAppendBlob } from './azure/appending/append-blob.ts'
import { Conversions } from './azure/appending/conversion.ts'
import { BlobWriter } from './azure/appending/writer.ts'
import {
  type BlobState,
  removeUnchanged,
  requireWhole,
  stateOfVersion,
  wholeState,
} from './azure/blob-state.ts'
import { type AzureConnection, connect, type TokenSource } from './azure/client.ts'
import { BlobCopier } from './azure/copying/copier.ts'
import { Copies } from './azure/copying/copy.ts'
import { azureError, isRefusal, reasonOf } from './azure/errors.ts'
import { isAnyBelow, pagesBelow, pagesOf } from './azure/listing.ts'
import { BlobNames } from './azure/names.ts'
import { BlobRead, type BlobReadOptions } from './azure/reader.ts'
import type { AzureSettings } from './azure/settings.ts'
import { Signatures } from './azure/signatures.ts'
import { signedDeletes } from './azure/signed-delete.ts'
import { States } from './azure/states.ts'
import { orderedEntries } from './object-store/children.ts'
import { ObjectStoreDriver } from './object-store/driver.ts'
import { ExpiringDeletes } from './object-store/expiring-deletes.ts'
import { GatherBudget } from './object-store/gather-budget.ts'
import { type ListedObject, scannedFiles } from './object-store/scanned.ts'

/** Blobs of a folder that are removed concurrently. */
const MAX_REMOVALS = 32

export interface AzureOptions {
  readonly log: Log
  /** Default: Microsoft Entra ID. */
  readonly tokens?: TokenSource
  /** Bytes that all uploads may hold in memory before they send smaller blocks. Default: any. */
  readonly transferMemory?: number
}

/** Blobs in a container of Azure Blob Storage, in the layout of Distribution's driver. Files written with
 *  `put` are block blobs, appended ones are append blobs. The service is strongly consistent and durable, so
 *  nothing needs to be synced. */
export class AzureDriver extends ObjectStoreDriver implements StorageDriver {
  readonly name = 'azure'
  readonly scansFolders = false
  readonly #connection: AzureConnection
  readonly #container: ContainerClient
  readonly #settings: AzureSettings
  readonly #names: BlobNames
  readonly #signatures: Signatures
  readonly #copies: Copies
  readonly #conversions: Conversions
  readonly #budget: GatherBudget
  readonly #states: States
  readonly #expiring: ExpiringDeletes

  private constructor(
    connection: AzureConnection,
    settings: AzureSettings,
    { log, transferMemory }: AzureOptions,
  ) {
    super()
    this.#connection = connection
    this.#container = connection.container
    this.#settings = settings
    this.#names = new BlobNames(settings)
    this.#signatures = new Signatures(connection, log)
    const copier = new BlobCopier({ connection, signatures: this.#signatures, settings })
    this.#copies = new Copies({ connection, copier, settings })
    this.#budget = new GatherBudget(transferMemory)
    this.#conversions = new Conversions({ connection, copier, names: this.#names, budget: this.#budget })
    this.#states = new States(connection)
    const { temporary } = this.#names
    this.#expiring = new ExpiringDeletes(
      signedDeletes({ connection, signatures: this.#signatures, temporary }),
    )
  }

  /** Opens a driver, after checking that the container exists and can be read.
   *  @throws StorageError with the reason */
  static async open(settings: AzureSettings, options: AzureOptions): Promise<AzureDriver> {
    const connection = await connect(settings, options.tokens)
    const driver = new AzureDriver(connection, settings, options)
    try {
      await isAnyBelow(connection.container, driver.#names.below('/'))
      return driver
    } catch (cause) {
      connection.close()
      const place = `the container ${settings.container} of ${new URL(connection.service.url).origin}`
      const { code } = azureError(cause, '/')
      throw new StorageError(code, { path: '/', message: `cannot use ${place}: ${reasonOf(cause)}`, cause })
    }
  }

  async stat(path: string): Promise<FileInfo> {
    const name = this.#names.of(path)
    try {
      const found = await this.#container.getBlobClient(name).getProperties()
      requireWhole(found, path)
      return { kind: 'file', size: found.contentLength ?? 0, modifiedAt: found.lastModified ?? new Date(0) }
    } catch (cause) {
      const error = azureError(cause, path)
      if (!isPathNotFound(error) || !(await this.#isFolder(path))) throw error
      return { kind: 'folder' }
    }
  }

  async get(path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.read(path)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  async *read(path: string, { version, ...options }: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const blob = this.#container.getBlobClient(this.#names.of(path))
    const etag = version === undefined ? undefined : stateOfVersion(version, path).etag
    yield* new BlobRead(blob, { ...this.#readOptions(path), ...options, etag }).chunks()
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    const name = this.keyToPut(path, after)
    try {
      await after
      await this.#container.getBlockBlobClient(name).upload(content, content.byteLength)
    } catch (cause) {
      if (!isRefusal(cause, 'InvalidBlobType')) throw azureError(cause, path)
      await this.calling(path, () => this.#conversions.putOverAppendBlob(name, content))
    }
  }

  async append(path: string, options: AppendOptions = {}): Promise<FileWriter> {
    const name = this.#names.of(path)
    const parts = { connection: this.#connection, name, path }
    const convert = (found: BlobState) => this.#conversions.toAppendBlob(name, found)
    const blob = await this.calling(path, () => openAppendBlob(parts, { ...options, convert }))
    return new BlobWriter(blob, { path, budget: this.#budget })
  }

  async *list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    const prefix = this.#names.below(folder)
    const isFolder = (name: string) => isAnyBelow(this.#container, `${prefix}${name}/`)
    yield* this.callingEach(folder, orderedEntries(pagesOf(this.#container, prefix), { after, isFolder }))
  }

  override async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const names = { from: this.#names.of(from), to: this.#names.of(to) }
    return this.calling(from, () => this.#move(names, options))
  }

  async delete(path: string, { knownChildren }: DeleteOptions = {}): Promise<void> {
    const name = this.#names.of(path)
    await this.calling(path, () => this.#remove(name, knownChildren))
  }

  async getState(path: string): Promise<State | undefined> {
    try {
      return await this.#states.get(this.#names.of(path), this.#readOptions(path))
    } catch (cause) {
      if (isPathNotFound(cause)) return undefined
      throw azureError(cause, path)
    }
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    return this.calling(path, () => this.#states.swap(this.#names.of(path), content, expected))
  }

  async *scan(folder: string, options: ScanOptions = {}): AsyncIterable<readonly ScannedFile[]> {
    const prefix = this.#names.below(folder)
    const objects = async function* (container: ContainerClient): AsyncIterable<ListedObject[]> {
      for await (const page of pagesBelow(container, prefix))
        yield page.map(({ name: key, size, modifiedAt }) => ({ key, size, modifiedAt }))
    }
    const root = this.#names.below('/')
    yield* this.callingEach(folder, scannedFiles(objects(this.#container), { ...options, root }))
  }

  async openFence(options?: FenceOptions): Promise<Fence> {
    return this.calling('/', () => this.#expiring.open(options))
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    const names = paths.map((path) => this.#names.of(path))
    await this.calling(paths[0] ?? '/', () => this.#expiring.delete(names, fence))
  }

  async closeFence(fence: Fence): Promise<void> {
    await this.calling('/', () => this.#expiring.close(fence))
  }

  async redirectUrl(path: string): Promise<URL | undefined> {
    return this.calling(path, () => this.#signatures.readUrl(this.#names.of(path)))
  }

  /** Temporary blobs of interrupted conversions. */
  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
    const prefix = this.#names.temporary
    try {
      for await (const page of pagesBelow(this.#container, prefix)) {
        for (const { name, modifiedAt } of page) yield this.#incompleteUpload(name, modifiedAt)
      }
    } catch (cause) {
      throw azureError(cause, '/')
    }
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  #readOptions(path: string): BlobReadOptions {
    const { max_retries: mostRetries, retry_delay: retryDelay } = this.#settings
    return { path, mostRetries, retryDelay }
  }

  /** Copies, then removes the source. */
  async #move(
    { from, to }: { from: string; to: string },
    { replace = true, mayStay = false, version }: MoveOptions,
  ): Promise<boolean> {
    const blob = this.#container.getBlobClient(from)
    const source = version === undefined ? await wholeState(blob) : stateOfVersion(version, from)
    if (from === to) {
      await this.#copies.requireSource({ from, to, source })
      return replace
    }
    const isMoved = await this.#copies.copy({ from, to, source, replace })
    if (isMoved && !mayStay) await removeUnchanged(blob, source.etag)
    return isMoved
  }

  #incompleteUpload(name: string, modifiedAt: Date): IncompleteUpload {
    const path = `/${name.slice(this.#names.below('/').length)}`
    const remove = async () => {
      await this.calling(path, () => this.#removeBlob(name))
    }
    return { path, modifiedAt, remove }
  }

  #isFolder(path: string): Promise<boolean> {
    return this.calling(path, () => isAnyBelow(this.#container, this.#names.below(path)))
  }

  /** Removes a file, or everything below a folder. */
  async #remove(name: string, knownChildren: readonly string[] | undefined): Promise<void> {
    const limit = pLimit(MAX_REMOVALS)
    const remove = (below: string) => limit(() => this.#removeBlob(below))
    if (knownChildren !== undefined) {
      await Promise.all(knownChildren.map((child) => remove(`${name}/${child}`)))
      return
    }
    if (await this.#removeBlob(name)) return
    for await (const page of pagesBelow(this.#container, `${name}/`)) {
      await Promise.all(page.map((blob) => remove(blob.name)))
    }
  }

  /** Removes a blob.
   *  @returns false if it did not exist */
  async #removeBlob(name: string): Promise<boolean> {
    const { succeeded } = await this.#container
      .getBlobClient(name)
      .deleteIfExists({ deleteSnapshots: 'include' })
    return succeeded
  }

  protected override keyOf(path: string): string {
    return this.#names.of(path)
  }

  protected override toStorageError(cause: unknown, path: string): StorageError {
    return azureError(cause, path)
  }
}
