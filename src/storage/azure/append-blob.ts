import type { AppendBlobClient, BlobGetPropertiesResponse, ContainerClient } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import { isConditionNotMet, isRefusal, isUncertain } from './errors.ts'
import type { BlobState, WrittenBlobs } from './written-blobs.ts'

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

export interface AppendBlobOptions {
  /** What the driver's caller calls it. */
  readonly path: string
  readonly written: WrittenBlobs
}

/** A blob that grows at its end, as its one writer knows it.
 *
 *  Every block is sent on the condition that the blob is still as long as this writer left it, and still the same (its
 *  ETag): a block of another writer, or one that arrives late, is refused. When it is not known whether a block has
 *  arrived, the blob is looked at: it counts as arrived when the blob ends in exactly these bytes at exactly this place,
 *  as not arrived when the blob is unchanged; anything else is another writer's doing, and ends this one. What it cannot
 *  tell is another writer of the very same bytes at the same place: then either's bytes are what both wanted there, and
 *  at the first difference one of them is refused. */
export class AppendBlob {
  readonly #client: AppendBlobClient
  readonly #options: AppendBlobOptions
  #state: BlobState

  constructor(client: AppendBlobClient, state: BlobState, options: AppendBlobOptions) {
    this.#client = client
    this.#state = state
    this.#options = options
  }

  /** Makes an empty one; undefined where some blob stands already.
   *  @throws whatever the SDK throws */
  static async create(client: AppendBlobClient, options: AppendBlobOptions): Promise<AppendBlob | undefined> {
    try {
      const { etag } = await client.create({ conditions: { ifNoneMatch: '*' } })
      const state: BlobState = { blobType: 'AppendBlob', contentLength: 0, ...(etag && { etag }) }
      options.written.set(client.name, state)
      return new AppendBlob(client, state, options)
    } catch (cause) {
      if (isRefusal(cause, 'BlobAlreadyExists', 'InvalidBlobType') || isConditionNotMet(cause))
        return undefined
      throw cause
    }
  }

  /** How many bytes it has, as far as it is known. */
  get size(): number {
    return this.#state.contentLength ?? 0
  }

  /** How many bytes the next block is to have at most. */
  get blockBytes(): number {
    return BLOCK_SIZES.findLast(({ fromBlock }) => this.#blockCount >= fromBlock)!.bytes
  }

  /** @throws StorageError OFFSET_INVALID when somebody else has written to it; whatever the SDK throws */
  async append(block: Buffer): Promise<void> {
    if (this.#blockCount >= MAX_BLOCKS) throw this.#full()
    this.#options.written.forget(this.#client.name)
    try {
      const { etag } = this.#state
      const conditions = { appendPosition: this.size, ...(etag && { ifMatch: etag }) }
      this.#advance(block, await this.#client.appendBlock(block, block.length, { conditions }))
    } catch (cause) {
      if (isRefusal(cause, 'BlockCountExceedsLimit')) throw this.#full()
      if (!isUncertain(cause)) throw cause
      await this.#lookWhether(block, cause)
    }
  }

  get #blockCount(): number {
    return this.#state.blobCommittedBlockCount ?? 0
  }

  async #lookWhether(block: Buffer, cause: unknown): Promise<void> {
    const now = await this.#client.getProperties().catch(() => undefined)
    if (now === undefined) throw cause
    if (now.contentLength === this.size && now.etag === this.#state.etag && !isConditionNotMet(cause))
      throw cause
    if (!(await this.#endsIn(block, now))) {
      const { path } = this.#options
      throw new StorageError('OFFSET_INVALID', {
        path,
        message: `somebody else has written to ${path}`,
        cause,
      })
    }
    this.#advance(block, now)
  }

  async #endsIn(block: Buffer, { contentLength, etag }: BlobGetPropertiesResponse): Promise<boolean> {
    if (contentLength !== this.size + block.length || etag === undefined) return false
    const there = await this.#client.downloadToBuffer(this.size, block.length, {
      conditions: { ifMatch: etag },
    })
    return block.equals(there)
  }

  #advance(
    block: Buffer,
    { etag, blobCommittedBlockCount = this.#blockCount + 1 }: Omit<BlobState, 'contentLength'>,
  ): void {
    this.#state = {
      blobType: 'AppendBlob',
      contentLength: this.size + block.length,
      blobCommittedBlockCount,
      ...(etag && { etag }),
    }
    this.#options.written.set(this.#client.name, this.#state)
  }

  #full(): StorageError {
    const { path } = this.#options
    return new StorageError('BACKEND_FAILED', {
      path,
      message: `${path} has ${MAX_BLOCKS} blocks, and Azure takes no more: upload it in fewer, larger pieces`,
    })
  }
}

export interface OpenOptions extends AppendBlobOptions {
  readonly name: string
  /** How long it must be; undefined for whatever it is. */
  readonly offset: number | undefined
  /** Makes an append blob of one of another type. */
  readonly convert: (name: string, found: BlobGetPropertiesResponse) => Promise<void>
}

/** The blob to append to, made where there is none. Where this process has written it to that length, nothing is asked:
 *  that somebody else wrote since comes out with the first block.
 *  @throws StorageError OFFSET_INVALID; whatever the SDK throws */
export async function openAppendBlob(container: ContainerClient, options: OpenOptions): Promise<AppendBlob> {
  const { name, path, offset, convert, written } = options
  const client = container.getAppendBlobClient(name)
  const known = written.get(name)
  if (known !== undefined && known.contentLength === offset) return new AppendBlob(client, known, options)
  // What begins is mostly not there yet.
  const begun = offset === 0 ? await AppendBlob.create(client, options) : undefined
  if (begun !== undefined) return begun
  const found = await propertiesOf(client)
  if (found === undefined) {
    const made = offset === undefined ? await AppendBlob.create(client, options) : undefined
    if (made !== undefined) return made
    throw new StorageError('OFFSET_INVALID', { path })
  }
  if (offset !== undefined && found.contentLength !== offset)
    throw new StorageError('OFFSET_INVALID', { path })
  if (found.blobType === 'AppendBlob') return new AppendBlob(client, found, options)
  await convert(name, found)
  return new AppendBlob(client, await client.getProperties(), options)
}

async function propertiesOf(client: AppendBlobClient): Promise<BlobGetPropertiesResponse | undefined> {
  try {
    return await client.getProperties()
  } catch (cause) {
    if (isRefusal(cause, 'BlobNotFound')) return undefined
    throw cause
  }
}
