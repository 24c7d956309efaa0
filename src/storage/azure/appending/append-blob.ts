import type { AppendBlobClient, BlobGetPropertiesResponse } from '@azure/storage-blob'
import { StorageError } from '../../../core/errors.ts'
import type { AppendOptions } from '../../../core/storage-driver.ts'
import { type BlobState, isWhole, propertiesOf, requireEtag, stateOf, stateOfVersion } from '../blob-state.ts'
import type { AzureConnection } from '../client.ts'
import { isConditionNotMet, isRefusal } from '../errors.ts'
import { renew } from '../renewal.ts'

/** "Append Block": how many blocks a blob can have. */
const MAX_BLOCKS = 50_000
const MIB = 1024 * 1024

/** How large the next block is to be. Distribution's size, until a blob has so many that they could run out: then more,
 *  up to what the service takes since version 2022-11-02 (100 MiB). So a blob can be 1.7 TiB long, if its blocks are full. */
const BLOCK_SIZES = [
  { fromBlock: 0, bytes: 4 * MIB },
  { fromBlock: 20_000, bytes: 16 * MIB },
  { fromBlock: 35_000, bytes: 100 * MIB },
]

export interface AppendBlobParts {
  readonly connection: AzureConnection
  readonly name: string
  /** What the driver's caller calls it. */
  readonly path: string
}

/** A blob that grows at its end, as its one writer knows it.
 *
 *  Every block is sent on the condition that the blob is still as long as this writer left it, and still the same (its
 *  ETag): a block of another writer, or one that arrives late, is refused. When the answer was lost, the blob is looked
 *  at: the block has arrived when the blob ends in exactly these bytes at exactly this place, and has not when the blob
 *  is unchanged; anything else is another writer's doing, and ends this one. */
export class AppendBlob {
  readonly #parts: AppendBlobParts
  /** Sends requests once. */
  readonly #client: AppendBlobClient
  #state: BlobState
  /** False while only the caller has said that the blob stands so. */
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

  /** How many bytes it has, as far as it is known. */
  get size(): number {
    return this.#state.size
  }

  /** How many bytes the next block is to have at most. */
  get blockBytes(): number {
    return BLOCK_SIZES.findLast(({ fromBlock }) => this.#state.blockCount >= fromBlock)!.bytes
  }

  /** True while blocks may be smaller than `blockBytes` without running out. */
  get hasSpareBlocks(): boolean {
    return this.#state.blockCount < BLOCK_SIZES[1]!.fromBlock
  }

  /** @throws StorageError OFFSET_INVALID when somebody else has written to it; whatever the SDK throws */
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
      // It was put to since.
      if (isConditionNotMet(cause) || isRefusal(cause, 'InvalidBlobType')) throw this.#taken(cause)
      throw cause
    }
  }

  /** Asks the service where it has not yet said so by taking a block.
   *  @throws StorageError OFFSET_INVALID; whatever the SDK throws */
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
      message: `somebody else has written to ${path}`,
      cause,
    })
  }

  #full(): StorageError {
    const { path } = this.#parts
    return new StorageError('BACKEND_FAILED', {
      path,
      message: `${path} has ${MAX_BLOCKS} blocks, and Azure takes no more: upload it in fewer, larger pieces`,
    })
  }
}

export interface OpenOptions extends AppendOptions {
  /** Makes an append blob of one of another type. */
  readonly convert: (found: BlobState) => Promise<BlobState>
}

/** The blob to append to, made where there is none. Where its version is given nothing is asked: that somebody else has
 *  written since comes out with the first block.
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND; whatever the SDK throws */
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
  // What begins is mostly not there yet.
  let found = offset === 0 ? undefined : await propertiesOf(client)
  if (found === undefined && (offset ?? 0) === 0) {
    const made = await create(client)
    if (made !== undefined) return made
    found = await propertiesOf(client)
  }
  if (found === undefined || !isWhole(found) || (offset ?? found.contentLength) !== found.contentLength) {
    throw new StorageError('OFFSET_INVALID', { path })
  }
  // Whoever may be writing to it is refused from now on.
  return found.blobType === 'AppendBlob' ? renew(connection, name, found) : convert(stateOf(found))
}

/** An empty one; undefined where some blob stands already, be it one of an attempt whose answer was lost. */
async function create(client: AppendBlobClient): Promise<BlobState | undefined> {
  try {
    const { etag } = await client.create({ conditions: { ifNoneMatch: '*' } })
    return stateOf({ blobType: 'AppendBlob', etag })
  } catch (cause) {
    if (isRefusal(cause, 'BlobAlreadyExists', 'InvalidBlobType') || isConditionNotMet(cause)) return undefined
    throw cause
  }
}
