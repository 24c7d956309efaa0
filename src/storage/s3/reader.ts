import { addAbortSignal, type Readable } from 'node:stream'
import { StorageError } from '../../core/errors.ts'
import type { ReadOptions } from '../../core/storage-driver.ts'
import type { Bucket } from './bucket.ts'
import { isCutShort } from './errors.ts'

/** How often the rest is asked for when an answer ends too early. */
const MAX_CUTS = 5

interface OpenedObject {
  readonly etag: string | undefined
  /** Of the last byte that is to come; -1 where there is none. */
  readonly end: number
  readonly body: Readable
}

/** The bytes of an object. Where an answer's body ends too early, the rest of the same object is asked for.
 *  @throws StorageError OFFSET_INVALID when the range is not wholly inside the object; what the SDK throws */
export async function* readObject(
  bucket: Bucket,
  { key, path }: { key: string; path: string },
  { range, signal }: ReadOptions,
): AsyncIterable<Uint8Array> {
  let position = range?.start ?? 0
  let opened = await open(bucket, { key, path }, { range, signal })
  for (let cuts = 0; ; ) {
    try {
      for await (const chunk of opened.body) {
        position += (chunk as Uint8Array).byteLength
        yield chunk as Uint8Array
      }
    } catch (error) {
      if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
      if (!isCutShort(error)) throw error
    }
    if (position > opened.end) return
    if (++cuts > MAX_CUTS)
      throw new StorageError('BUSY', { path, message: `${path}: its bytes end too early` })
    const { end, etag } = opened
    opened = await open(bucket, { key, path }, { range: { start: position, end }, signal }, etag)
  }
}

async function open(
  bucket: Bucket,
  { key, path }: { key: string; path: string },
  { range, signal }: ReadOptions,
  etag?: string,
): Promise<OpenedObject> {
  if (range !== undefined && !(range.start >= 0 && range.start <= range.end))
    throw new StorageError('OFFSET_INVALID', { path })
  const header = range && `bytes=${range.start}-${range.end}`
  const answer = await bucket.get(key, { range: header, etag, signal, chunksAreLent: true })
  const body = answer.Body as Readable
  if (range !== undefined && !(range.end < wholeSize(answer.ContentRange))) {
    body.destroy()
    throw new StorageError('OFFSET_INVALID', { path })
  }
  if (range !== undefined && answer.ContentLength !== range.end - range.start + 1) {
    body.destroy()
    throw new StorageError('BACKEND_FAILED', {
      path,
      message: `${path}: the store gave another range than it was asked for`,
    })
  }
  if (signal !== undefined) addAbortSignal(signal, body)
  return { etag: answer.ETag, end: range?.end ?? (answer.ContentLength ?? 0) - 1, body }
}

/** Of the object, from `bytes 0-9/1234`. RFC 9110 section 14.4. */
function wholeSize(contentRange: string | undefined): number {
  return Number(/\/(\d+)$/.exec(contentRange ?? '')?.[1] ?? 0)
}
