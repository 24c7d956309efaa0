import pLimit from 'p-limit'
import { StorageError } from '../../../core/errors.ts'
import type { Bucket, Part } from '../bucket.ts'
import type { ConditionalWriteSupport } from '../conditional-write-support.ts'
import { type MarkedUpload, markOf } from '../record.ts'
import type { S3Settings } from '../settings.ts'
import { isSameObject, type StoredObject } from '../versions.ts'

export type CopySettings = Pick<
  S3Settings,
  'chunksize' | 'multipartcopythresholdsize' | 'multipartcopychunksize' | 'multipartcopymaxconcurrency'
>

/** An object with the properties that identify it, so that no other is copied. */
export interface CopySource {
  readonly from: string
  readonly object: StoredObject
}

/** Bytes from `start` to `end`, both included. */
interface Range {
  readonly start: number
  readonly end: number
}

const MAX_PARTS = 10_000

/** Ranges of an upload held in memory, for stores without conditional copies. */
const MAX_HELD_RANGES = 2

/** Copies ranges of objects to parts of uploads, several at a time. If the store has no conditional copies,
 *  the bytes pass through the registry, whose reads identify the object. */
export class CopiedParts {
  readonly settings: CopySettings
  readonly #bucket: Bucket
  readonly #support: ConditionalWriteSupport

  constructor(bucket: Bucket, support: ConditionalWriteSupport, settings: CopySettings) {
    this.settings = settings
    this.#bucket = bucket
    this.#support = support
  }

  /** Copies the first `size` bytes, in ranges of about the same length.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the object has changed or is missing; the SDK's
   *    errors */
  inRanges(source: CopySource, upload: MarkedUpload): Promise<Part[]> {
    const { multipartcopychunksize, chunksize } = this.settings
    const partBytes = this.#support.copySourceOnly ? multipartcopychunksize : chunksize
    return this.#copy(evenRanges(source.object.size, partBytes), { source, upload })
  }

  /** Copies a completed object part by part, and verifies the parts.
   *  @throws StorageError OFFSET_INVALID if it has other parts, or the store's entity tags do not show them;
   *    otherwise as `inRanges` */
  async asParts(source: CopySource, parts: readonly Part[], upload: MarkedUpload): Promise<Part[]> {
    const ranges = rangesOf(parts)
    if ((ranges.at(-1)?.end ?? -1) + 1 !== source.object.size) throw other(source.from)
    const copied = await this.#copy(ranges, { source, upload })
    if (copied.some(({ etag }, index) => etag !== parts[index]?.etag)) throw other(source.from)
    return copied
  }

  /** A small object, or a small range of one.
   *  @param range for example `bytes=0-9`
   *  @throws StorageError OFFSET_INVALID if the object has changed; the SDK's errors */
  async content(key: string, object: StoredObject, range?: string): Promise<Buffer> {
    const { content, etag, metadata } = await this.#bucket.content(key, { etag: object.etag, range })
    if (!isSameObject({ etag, mark: markOf(metadata) }, object)) throw other(key)
    return content
  }

  async #copy(
    all: readonly Range[],
    { source: { from, object }, upload }: { source: CopySource; upload: MarkedUpload },
  ): Promise<Part[]> {
    const { copySourceOnly } = this.#support
    const limit = pLimit(copySourceOnly ? this.settings.multipartcopymaxconcurrency : MAX_HELD_RANGES)
    try {
      return await limit.map(all, async ({ start, end }, index) => {
        if (copySourceOnly)
          return this.#bucket.copyPart(upload, index + 1, { from, etag: object.etag, start, end })
        const content = await this.content(from, object, `bytes=${start}-${end}`)
        return this.#bucket.putPart(upload, index + 1, content)
      })
    } finally {
      limit.clearQueue()
    }
  }
}

/** Ranges of about the same length, none shorter than `partBytes`, because parts have a minimum size. */
function evenRanges(size: number, partBytes: number): Range[] {
  const count = Math.min(Math.max(1, Math.floor(size / partBytes)), MAX_PARTS)
  const startOf = (index: number) => Math.floor((index * size) / count)
  return Array.from({ length: count }, (_, index) => ({ start: startOf(index), end: startOf(index + 1) - 1 }))
}

function rangesOf(parts: readonly Part[]): Range[] {
  let start = 0
  return parts.map(({ size }) => {
    const range = { start, end: start + size - 1 }
    start += size
    return range
  })
}

function other(path: string): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}
