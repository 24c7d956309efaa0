import type { IncomingMessage } from 'node:http'
import { StorageError } from '../../core/errors.ts'
import type { ByteRange, ReadOptions } from '../../core/storage-driver.ts'
import { type Bucket, isUploadSession } from './bucket.ts'
import { isNotFound, toStorageError } from './errors.ts'

export interface ObjectToRead {
  readonly bucket: Bucket
  readonly key: string
  /** What the driver's caller calls it. */
  readonly path: string
}

/** How often the rest is asked for again with nothing having come in between. */
const MAX_FRUITLESS = 3

/** An object's bytes. Where a connection breaks in the midst of them, the rest is asked for, of the same generation: what
 *  was written meanwhile never gets between. The time a consumer takes for a chunk is its own. */
export async function* readObject(
  object: ObjectToRead,
  { range, signal }: ReadOptions = {},
): AsyncGenerator<Uint8Array, void> {
  try {
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start)) throw outside(object)
    throwIfAborted(object, signal)
    const rest = await openFirst(object, range, signal)
    let fruitless = 0
    while (rest.start <= rest.end) {
      try {
        for await (const chunk of rest.response as AsyncIterable<Buffer>) {
          rest.start += chunk.byteLength
          fruitless = 0
          rest.response.socket?.setTimeout(0)
          yield chunk
          throwIfAborted(object, signal)
          rest.response.socket?.setTimeout(object.bucket.idleMs)
        }
      } catch (cause) {
        if (signal?.aborted === true || fruitless++ === MAX_FRUITLESS) throw cause
      }
      if (rest.start <= rest.end) rest.response = await reopen(object, rest, signal)
    }
    rest.response.resume()
  } catch (cause) {
    throwIfAborted(object, signal)
    throw toStorageError(cause, object.path)
  }
}

/** What is still to come. */
interface Rest {
  response: IncomingMessage
  start: number
  readonly end: number
  readonly generation: string
}

async function openFirst(
  object: ObjectToRead,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): Promise<Rest> {
  const { bucket, key, path } = object
  const response = await bucket.open(key, { range, signal }).catch((cause) => {
    if (isNotFound(cause)) throw new StorageError('PATH_NOT_FOUND', { path, cause })
    throw cause.status === 416 ? outside(object) : cause
  })
  const size = sizeOf(response)
  const isRefused = isUploadSession(response.headers['content-type'])
  if (isRefused || (range !== undefined && range.end >= size)) {
    response.destroy()
    throw isRefused ? new StorageError('PATH_NOT_FOUND', { path }) : outside(object)
  }
  const generation = String(response.headers['x-goog-generation'] ?? '')
  return { response, start: range?.start ?? 0, end: range?.end ?? size - 1, generation }
}

async function reopen(
  { bucket, key, path }: ObjectToRead,
  { start, end, generation }: Rest,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  try {
    return await bucket.open(key, { range: { start, end }, generation, signal })
  } catch (cause) {
    if (!isNotFound(cause)) throw cause
    const message = `the connection broke, and what was read is no longer there: ${path}`
    throw new StorageError('BACKEND_FAILED', { path, message, cause })
  }
}

/** Of the whole object, of which a part may be answered. */
function sizeOf({ headers, statusCode }: IncomingMessage): number {
  return Number(
    statusCode === 206 ? headers['content-range']?.split('/')[1] : (headers['content-length'] ?? NaN),
  )
}

function outside({ path }: ObjectToRead): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}

function throwIfAborted({ path }: ObjectToRead, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
}
