import { addAbortSignal, type Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { StorageError } from '../../core/errors.ts'
import type { ReadOptions } from '../../core/storage-driver.ts'
import type { AppendedObjects } from './appended-object.ts'
import { quoted } from './bucket.ts'
import { isCutShort, isRangeInvalid } from './errors.ts'
import { isRecord, markOf } from './record.ts'
import { isSameObject, type StoredObject } from './versions.ts'

/** Requests for the rest of an object whose response ended early. */
const MAX_CUTS = 5

export interface ReadPlace {
  readonly key: string
  readonly path: string
  /** Default: any object. */
  readonly object?: Pick<StoredObject, 'etag' | 'mark'> | undefined
}

interface OpenedObject {
  readonly object: Pick<StoredObject, 'etag' | 'mark'>
  /** Position of the last byte to come; -1 if there is none. */
  readonly end: number
  readonly body: Readable
}

/** The bytes of an object. If a response ends early, the rest of the same object is requested.
 *  @throws StorageError OFFSET_INVALID if the range is not wholly inside the object, or the object has
 *    changed; the SDK's errors */
export async function* readObject(
  objects: AppendedObjects,
  place: ReadPlace,
  { range, signal }: Pick<ReadOptions, 'range' | 'signal'>,
): AsyncIterable<Uint8Array> {
  const { path } = place
  let position = range?.start ?? 0
  let opened = await open(objects, place, { range, signal })
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
      throw new StorageError('BUSY', { path, message: `${path}: the object's body ended early` })
    const { end, object } = opened
    opened = await open(objects, { ...place, object }, { range: { start: position, end }, signal })
  }
}

async function open(
  objects: AppendedObjects,
  place: ReadPlace,
  { range, signal }: Pick<ReadOptions, 'range' | 'signal'>,
): Promise<OpenedObject> {
  const { path } = place
  if (range !== undefined && !(range.start >= 0 && range.start <= range.end))
    throw new StorageError('OFFSET_INVALID', { path })
  const answer = await ask(objects, place, { range, signal })
  const body = answer.Body as Readable
  const object = { etag: quoted(answer.ETag), mark: markOf(answer.Metadata) }
  const isOther = place.object !== undefined && !isSameObject(object, place.object)
  if (isOther || (range !== undefined && !(range.end < wholeSize(answer.ContentRange)))) {
    body.destroy()
    throw new StorageError('OFFSET_INVALID', { path })
  }
  if (range !== undefined && answer.ContentLength !== range.end - range.start + 1) {
    body.destroy()
    throw new StorageError('BACKEND_FAILED', {
      path,
      message: `${path}: the store sent another range than requested`,
    })
  }
  if (signal !== undefined) addAbortSignal(signal, body)
  return { object, end: range?.end ?? (answer.ContentLength ?? 0) - 1, body }
}

/** Requests the object. If there is only a record, its upload is completed first. */
async function ask(
  objects: AppendedObjects,
  { key, object }: ReadPlace,
  { range, signal }: Pick<ReadOptions, 'range' | 'signal'>,
): Promise<GetObjectCommandOutput> {
  const get = (etag: string | undefined) =>
    objects.bucket.get(key, {
      range: range && `bytes=${range.start}-${range.end}`,
      etag,
      signal,
      chunksAreLent: true,
    })
  if (object !== undefined) return get(object.etag)
  try {
    const answer = await get(undefined)
    if (!isRecord(answer.Metadata)) return answer
    ;(answer.Body as Readable).destroy()
  } catch (error) {
    if (!isRangeInvalid(error) || (await objects.look(key))?.kind !== 'record') throw error
  }
  return get((await objects.objectOf(key, undefined)).etag)
}

/** The object's size in `Content-Range`: `bytes 0-9/1234`. RFC 9110 section 14.4. */
function wholeSize(contentRange: string | undefined): number {
  return Number(/\/(\d+)$/.exec(contentRange ?? '')?.[1] ?? 0)
}
