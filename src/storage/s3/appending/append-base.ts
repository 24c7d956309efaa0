import { StorageError } from '../../../core/errors.ts'
import type { AppendedObjects } from '../appended-object.ts'
import type { StoredMultipart } from '../record.ts'
import type { KnownBytes, StoredObject } from '../versions.ts'

/** The object that a writer appends to. */
export type AppendBase =
  /** None, as far as is known: the first write finds out. */
  | { readonly kind: 'absent' }
  /** An object that fits into a part, with its content. */
  | { readonly kind: 'small'; readonly object: StoredObject; readonly content: Uint8Array }
  /** A larger object, which becomes the first parts of a new one. `isTaken` if its writer is unknown: then it
   *  is rewritten even if nothing is added, so that other writers fail and late requests have no effect on
   *  it. */
  | { readonly kind: 'large'; readonly object: StoredObject; readonly isTaken: boolean }
  | { readonly kind: 'parts'; readonly record: StoredMultipart }

export interface BeginningQuery {
  readonly key: string
  /** Expected length. Default: any. */
  readonly offset: number | undefined
  /** Expected version. Default: any. */
  readonly known: KnownBytes | undefined
  readonly partBytes: number
}

/** Finds the object to append to. A missing object is not looked up: the first write finds out.
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the object has another length or version, or is
 *    missing */
export async function findAppendBase(objects: AppendedObjects, query: BeginningQuery): Promise<AppendBase> {
  const { key, offset, known } = query
  if (known === undefined && offset === 0) return { kind: 'absent' }
  const state = known ?? (await objects.look(key))
  if (offset !== undefined && offset !== (state?.size ?? 0))
    throw new StorageError('OFFSET_INVALID', { path: key })
  if (state === undefined) return { kind: 'absent' }
  if (known === undefined) return takenOver(objects, query)
  if (known.kind === 'object') return ofObject(objects, known, { ...query, isTaken: false })
  try {
    return { kind: 'parts', record: await objects.readRecord(key, known.etag) }
  } catch (error) {
    const object = await objects.made(key, { of: known, instead: error })
    return ofObject(objects, object, { ...query, isTaken: true })
  }
}

async function takenOver(objects: AppendedObjects, query: BeginningQuery): Promise<AppendBase> {
  const { key, offset } = query
  const object = await objects.objectOf(key, undefined)
  if (offset !== undefined && offset !== object.size) throw new StorageError('OFFSET_INVALID', { path: key })
  return ofObject(objects, object, { ...query, isTaken: true })
}

async function ofObject(
  objects: AppendedObjects,
  object: StoredObject,
  { key, partBytes, isTaken }: BeginningQuery & { isTaken: boolean },
): Promise<AppendBase> {
  if (object.size < partBytes) return { kind: 'small', object, content: await objects.content(key, object) }
  if (!isTaken) await objects.require(key, object) // what is copied is looked at when it is
  return { kind: 'large', object, isTaken }
}
