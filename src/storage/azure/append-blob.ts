import type {
  AppendBlobClient,
  BlobGetPropertiesResponse,
  BlobRequestConditions,
  ContainerClient,
} from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import { isConditionNotMet, isRefusal, isUncertain } from './errors.ts'

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
  readonly #path: string
  #size: number
  #etag: string | undefined
  #blockCount: number

  /** @param path what the driver's caller calls it */
  constructor(client: AppendBlobClient, { path, state }: { path: string; state: AppendBlobState }) {
    this.#client = client
    this.#path = path
    this.#size = state.contentLength ?? 0
    this.#etag = state.etag
    this.#blockCount = state.blobCommittedBlockCount ?? 0
  }

  /** Makes an empty one; undefined where some blob stands already.
   *  @throws whatever the SDK throws */
  static async create(client: AppendBlobClient, path: string): Promise<AppendBlob | undefined> {
    try {
      const { etag } = await client.create({ conditions: { ifNoneMatch: '*' } })
      return new AppendBlob(client, { path, state: { etag } })
    } catch (cause) {
      if (isRefusal(cause, 'BlobAlreadyExists') || isConditionNotMet(cause)) return undefined
      throw cause
    }
  }

  /** How many bytes it has, as far as it is known. */
  get size(): number {
    return this.#size
  }

  /** How many bytes the next block is to have at most. */
  get blockBytes(): number {
    return BLOCK_SIZES.findLast(({ fromBlock }) => this.#blockCount >= fromBlock)!.bytes
  }

  /** @throws StorageError OFFSET_INVALID when somebody else has written to it; whatever the SDK throws */
  async append(block: Buffer): Promise<void> {
    if (this.#blockCount >= MAX_BLOCKS) throw this.#full()
    try {
      const conditions = { appendPosition: this.#size, ...this.#unchanged() }
      this.#advance(block, await this.#client.appendBlock(block, block.length, { conditions }))
    } catch (cause) {
      if (isRefusal(cause, 'BlockCountExceedsLimit')) throw this.#full()
      if (!isUncertain(cause)) throw cause
      await this.#lookWhether(block, cause)
    }
  }

  async #lookWhether(block: Buffer, cause: unknown): Promise<void> {
    const now = await this.#client.getProperties().catch(() => undefined)
    if (now === undefined) throw cause
    if (now.contentLength === this.#size && now.etag === this.#etag && !isConditionNotMet(cause)) throw cause
    if (!(await this.#endsIn(block, now))) {
      throw new StorageError('OFFSET_INVALID', {
        path: this.#path,
        message: `somebody else has written to ${this.#path}`,
        cause,
      })
    }
    this.#advance(block, now)
  }

  async #endsIn(block: Buffer, { contentLength, etag }: BlobGetPropertiesResponse): Promise<boolean> {
    if (contentLength !== this.#size + block.length || etag === undefined) return false
    const there = await this.#client.downloadToBuffer(this.#size, block.length, {
      conditions: { ifMatch: etag },
    })
    return block.equals(there)
  }

  #advance(block: Buffer, { etag, blobCommittedBlockCount }: Omit<AppendBlobState, 'contentLength'>): void {
    this.#size += block.length
    this.#etag = etag
    this.#blockCount = blobCommittedBlockCount ?? this.#blockCount + 1
  }

  #unchanged(): BlobRequestConditions {
    return this.#etag === undefined ? {} : { ifMatch: this.#etag }
  }

  #full(): StorageError {
    return new StorageError('BACKEND_FAILED', {
      path: this.#path,
      message: `${this.#path} has ${MAX_BLOCKS} blocks, and Azure takes no more: upload it in fewer, larger pieces`,
    })
  }
}

type AppendBlobState = Pick<BlobGetPropertiesResponse, 'contentLength' | 'etag' | 'blobCommittedBlockCount'>

export interface OpenOptions {
  readonly name: string
  readonly path: string
  /** How long it must be; undefined for whatever it is. */
  readonly offset: number | undefined
  /** Makes an append blob of one of another type. */
  readonly convert: (name: string, found: BlobGetPropertiesResponse) => Promise<void>
}

/** The blob to append to, made where there is none.
 *  @throws StorageError OFFSET_INVALID; whatever the SDK throws */
export async function openAppendBlob(
  container: ContainerClient,
  { name, path, offset, convert }: OpenOptions,
): Promise<AppendBlob> {
  const client = container.getAppendBlobClient(name)
  // What begins is mostly not there yet.
  const begun = offset === 0 ? await AppendBlob.create(client, path) : undefined
  if (begun !== undefined) return begun
  const found = await propertiesOf(client)
  if (found === undefined) {
    const made = offset === undefined ? await AppendBlob.create(client, path) : undefined
    if (made !== undefined) return made
    throw new StorageError('OFFSET_INVALID', { path })
  }
  if (offset !== undefined && found.contentLength !== offset)
    throw new StorageError('OFFSET_INVALID', { path })
  if (found.blobType === 'AppendBlob') return new AppendBlob(client, { path, state: found })
  await convert(name, found)
  return new AppendBlob(client, { path, state: await client.getProperties() })
}

async function propertiesOf(client: AppendBlobClient): Promise<BlobGetPropertiesResponse | undefined> {
  try {
    return await client.getProperties()
  } catch (cause) {
    if (isRefusal(cause, 'BlobNotFound')) return undefined
    throw cause
  }
}
