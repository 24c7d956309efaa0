import type { AppendBlobClient, BlobGetPropertiesResponse } from '@azure/storage-blob'
import { StorageError } from '../../../core/errors.ts'
import type { AppendOptions } from '../../../core/storage-driver.ts'
import { type BlobState, isWhole, propertiesOf, requireEtag, stateOf, stateOfVersion } from '../blob-state.ts'
import type { AzureConnection } from '../client.ts'
import { isConditionNotMet, isRefusal } from '../errors.ts'
import { renew } from '../renewal.ts'

/** "Append Block": limit of blocks in a blob. */
const MAX_BLOCKS = 50_000
const MIB = 1024 * 1024

/** Size of the next block: Distribution's, until the blob has so many that they could run out; then larger,
 *  up to the limit of service version 2022-11-02 (100 MiB). So a blob can have 1.7 TiB if its blocks are
 *  full. */
const BLOCK_SIZES = [
  { fromBlock: 0, bytes: 4 * MIB },
  { fromBlock: 20_000, bytes: 16 * MIB },
  { fromBlock: 35_000, bytes: 100 * MIB },
]

export interface AppendBlobParts {
  readonly connection: AzureConnection
  readonly name: string
  /** The driver's path, for errors. */
  readonly path: string
}

/** An append blob and its one writer.
 *
 *  Every block is sent on the condition that the blob has the length and ETag that this writer left, so
 *  blocks of other writers and delayed ones are refused. If an answer is lost, the blob is read: the block
 *  has arrived if the blob ends with exactly these bytes at this place, and has not if the blob is unchanged;
 *  anything else means another writer, and this one fails. */
export class AppendBlob {
  readonly #parts: AppendBlobParts
  /** Sends requests without retries. */
  readonly #client: AppendBlobClient
  #state: BlobState
  /** False if the state comes from the caller and is not confirmed by the service. */
  #isConfirmed: boolean

  constructor(state: BlobState, { isConfirmed, ...parts }: AppendBlobParts & { isConfirmed: boolean }) {
    this.#parts = parts
    this.#client = parts.connection.once.getAppendBlobClient(parts.name)
    this.#state = state
    this.#isConfirmed = isConfirmed
  }

  get state(): BlobState {
    return this.#state
  }

  /** Size in bytes, as far as it is known. */
  get size(): number {
    return this.#state.size
  }

  /** Size limit of the next block in bytes. */
  get blockBytes(): number {
    return BLOCK_SIZES.findLast(({ fromBlock }) => this.#state.blockCount >= fromBlock)!.bytes
  }

  /** True while blocks may be smaller than `blockBytes` without running out. */
  get hasSpareBlocks(): boolean {
    return this.#state.blockCount < BLOCK_SIZES[1]!.fromBlock
  }

  /** Appends a block.
   *  @throws StorageError OFFSET_INVALID if another writer has written to the blob; the SDK's errors */
  async append(block: Buffer): Promise<void> {
    if (this.#state.blockCount >= MAX_BLOCKS) throw this.#full()
    try {
      const { attempts } = this.#parts.connection
      this.#state = await attempts.settle(
        () => this.#send(block),
        () => this.#find(block),
      )
      this.#isConfirmed = true
    } catch (cause) {
      if (isRefusal(cause, 'BlockCountExceedsLimit')) throw this.#full()
      // The blob was replaced since.
      if (isConditionNotMet(cause) || isRefusal(cause, 'InvalidBlobType')) throw this.#taken(cause)
      throw cause
    }
  }

  /** Checks that the blob is unchanged, unless the service has confirmed it by accepting a block.
   *  @throws StorageError OFFSET_INVALID; the SDK's errors */
  async requireUnchanged(): Promise<void> {
    if (this.#isConfirmed) return
    const { container } = this.#parts.connection
    const { etag } = await container.getBlobClient(this.#parts.name).getProperties()
    if (etag !== this.#state.etag) throw this.#taken()
    this.#isConfirmed = true
  }

  async #send(block: Buffer): Promise<BlobState> {
    const { size, etag } = this.#state
    const conditions = { appendPosition: size, ifMatch: etag }
    return this.#after(block, await this.#client.appendBlock(block, block.length, { conditions }))
  }

  async #find(block: Buffer): Promise<BlobState | undefined> {
    const now = await this.#client.getProperties()
    if (now.etag === this.#state.etag) return undefined
    if (!(await this.#endsIn(block, now))) throw this.#taken()
    return this.#after(block, now)
  }

  async #endsIn(block: Buffer, now: BlobGetPropertiesResponse): Promise<boolean> {
    if (now.contentLength !== this.size + block.length) return false
    const conditions = { ifMatch: requireEtag(now) }
    return block.equals(await this.#client.downloadToBuffer(this.size, block.length, { conditions }))
  }

  #after(
    block: Buffer,
    answer: Pick<BlobGetPropertiesResponse, 'etag' | 'blobCommittedBlockCount'>,
  ): BlobState {
    const { type, size, blockCount } = this.#state
    const etag = requireEtag(answer)
    const { blobCommittedBlockCount = blockCount + 1 } = answer
    return { type, etag, size: size + block.length, blockCount: blobCommittedBlockCount }
  }

  #taken(cause?: unknown): StorageError {
    const { path } = this.#parts
    return new StorageError('OFFSET_INVALID', {
      path,
      message: `another process has written to ${path}`,
      cause,
    })
  }

  #full(): StorageError {
    const { path } = this.#parts
    return new StorageError('BACKEND_FAILED', {
      path,
      message: `${path} has ${MAX_BLOCKS} blocks, the maximum: upload it in fewer, larger chunks`,
    })
  }
}

export interface OpenOptions extends AppendOptions {
  /** Replaces a blob of another type by an append blob. */
  readonly convert: (found: BlobState) => Promise<BlobState>
}

/** Opens or creates a blob for appending. If its version is given no request is sent: a conflict is found
 *  with the first block.
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND; the SDK's errors */
export async function openAppendBlob(
  parts: AppendBlobParts,
  { offset, version, convert }: OpenOptions,
): Promise<AppendBlob> {
  const { path } = parts
  if (version !== undefined) {
    const state = stateOfVersion(version, path)
    if ((offset ?? state.size) !== state.size) throw new StorageError('OFFSET_INVALID', { path })
    return new AppendBlob(state, { ...parts, isConfirmed: false })
  }
  const state = await takenOrMade(parts, { offset, convert })
  return new AppendBlob(state, { ...parts, isConfirmed: true })
}

async function takenOrMade(parts: AppendBlobParts, { offset, convert }: OpenOptions): Promise<BlobState> {
  const { connection, name, path } = parts
  const client = connection.container.getAppendBlobClient(name)
  // A new file mostly does not exist yet.
  let found = offset === 0 ? undefined : await propertiesOf(client)
  if (found === undefined && (offset ?? 0) === 0) {
    const made = await create(client)
    if (made !== undefined) return made
    found = await propertiesOf(client)
  }
  if (found === undefined || !isWhole(found) || (offset ?? found.contentLength) !== found.contentLength) {
    throw new StorageError('OFFSET_INVALID', { path })
  }
  // Makes blocks of any other writer fail.
  return found.blobType === 'AppendBlob' ? renew(connection, name, found) : convert(stateOf(found))
}

/** Creates an empty blob. Undefined if a blob exists already, possibly from an attempt whose answer was
 *  lost. */
async function create(client: AppendBlobClient): Promise<BlobState | undefined> {
  try {
    const { etag } = await client.create({ conditions: { ifNoneMatch: '*' } })
    return stateOf({ blobType: 'AppendBlob', etag })
  } catch (cause) {
    if (isRefusal(cause, 'BlobAlreadyExists', 'InvalidBlobType') || isConditionNotMet(cause)) return undefined
    throw cause
  }
}
