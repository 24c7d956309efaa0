import type { IncomingMessage } from 'node:http'
import { StorageError } from '../../core/errors.ts'
import type { ByteRange, ReadOptions } from '../../core/storage-driver.ts'
import type { Bucket } from './bucket.ts'
import { isNotFound, toStorageError } from './errors.ts'
import { isUploadSession } from './object-info.ts'

export interface ObjectToRead {
  readonly bucket: Bucket
  readonly key: string
  /** The driver's path, for errors. */
  readonly path: string
  /** Required generation; OFFSET_INVALID if it is another. Default: any. */
  readonly generation?: string | undefined
}

/** Attempts at the rest without progress in between. */
const MAX_FRUITLESS = 3

/** An object's bytes. If the connection breaks, the rest of the same generation is requested. The time that
 *  the consumer takes for a chunk does not count as idle. */
export async function* readObject(
  object: ObjectToRead,
  { range, signal }: Pick<ReadOptions, 'range' | 'signal'> = {},
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

/** The rest of the bytes. */
interface Rest {
  response: IncomingMessage
  start: number
  readonly end: number
  readonly generation: string | undefined
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
  try {
    if (isUploadSession(response.headers['content-type'])) throw new StorageError('PATH_NOT_FOUND', { path })
    const generation = response.headers['x-goog-generation'] as string | undefined
    // A bucket with versioning would serve a replaced generation that is requested.
    if (object.generation !== undefined && generation !== object.generation) throw outside(object)
    const size = sizeOf(response, object)
    if (range !== undefined && range.end >= size) throw outside(object)
    const { start, end } = range ?? { start: 0, end: size - 1 }
    requireStart(response, { start, object })
    return { response, start, end, generation }
  } catch (cause) {
    response.destroy()
    throw cause
  }
}

async function reopen(
  object: ObjectToRead,
  { start, end, generation }: Rest,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const { bucket, key, path } = object
  const gone = `the connection was lost, and the object no longer exists: ${path}`
  if (generation === undefined) throw new StorageError('BACKEND_FAILED', { path, message: gone })
  try {
    const response = await bucket.open(key, { range: { start, end }, generation, signal })
    requireStart(response, { start, object })
    return response
  } catch (cause) {
    if (!isNotFound(cause)) throw cause
    throw new StorageError('BACKEND_FAILED', { path, message: gone, cause })
  }
}

/** The size of the whole object, from the response to a request for a range. */
function sizeOf({ headers, statusCode }: IncomingMessage, { path }: ObjectToRead): number {
  const whole = headers['content-length'] ?? headers['x-goog-stored-content-length']
  const size = statusCode === 206 ? headers['content-range']?.split('/')[1] : whole
  if (/^\d+$/.test(String(size))) return Number(size)
  throw new StorageError('BACKEND_FAILED', {
    path,
    message: `the answer does not say how long it is: ${path}`,
  })
}

/** The storage may answer a request for a range with the whole object. */
function requireStart(
  { headers, statusCode }: IncomingMessage,
  { start, object: { path } }: { start: number; object: ObjectToRead },
): void {
  const begun = statusCode === 206 ? /^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] : 0
  if (Number(begun) === start) return
  const message = `the answer begins at ${begun} instead of ${start}: ${path}`
  throw new StorageError('BACKEND_FAILED', { path, message })
}

function outside({ path }: ObjectToRead): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}

function throwIfAborted({ path }: ObjectToRead, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
}
