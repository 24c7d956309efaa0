import { StorageError } from '../../core/errors.ts'
import type { AppendedObjects } from './appended-object.ts'
import type { StoredAssembly } from './record.ts'
import type { KnownBytes, StoredObject } from './versions.ts'

/** What a writer goes on with. */
export type Beginning =
  /** Nothing, as far as is known: the first thing that is written says whether that is true. */
  | { readonly kind: 'absent' }
  /** An object that fits into a part, with its content. */
  | { readonly kind: 'small'; readonly object: StoredObject; readonly content: Uint8Array }
  /** An object that does not; it becomes the first parts of a new one. */
  | { readonly kind: 'large'; readonly object: StoredObject }
  /** `isTaken` where nobody vouches for it: whoever else writes to it is to fail, even if nothing is added here. */
  | { readonly kind: 'parts'; readonly record: StoredAssembly; readonly isTaken: boolean }

export interface BeginningQuery {
  readonly key: string
  /** How many bytes are to stand there. Absent: however many. */
  readonly offset: number | undefined
  /** Which bytes are to stand there. Absent: whichever. */
  readonly known: KnownBytes | undefined
  readonly partBytes: number
}

/** What is to be gone on with. That nothing stands there need not be seen before the first write, which finds it out.
 *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when something of another length or version stands there, or nothing */
export async function findBeginning(objects: AppendedObjects, query: BeginningQuery): Promise<Beginning> {
  const { key, offset, known } = query
  if (known === undefined && offset === 0) return { kind: 'absent' }
  const standing = known ?? (await objects.look(key))
  if (offset !== undefined && offset !== (standing?.size ?? 0))
    throw new StorageError('OFFSET_INVALID', { path: key })
  if (standing === undefined) return { kind: 'absent' }
  if (standing.kind === 'object') return beginningWith(objects, standing, query)
  try {
    const record = await objects.readRecord(key, standing.etag)
    return { kind: 'parts', record, isTaken: known === undefined }
  } catch (error) {
    if (known === undefined) throw error
    return beginningWith(objects, await objects.made(key, { of: known, instead: error }), query)
  }
}

async function beginningWith(
  objects: AppendedObjects,
  object: StoredObject,
  { key, partBytes }: BeginningQuery,
): Promise<Beginning> {
  if (object.size < partBytes) return { kind: 'small', object, content: await objects.content(key, object) }
  await objects.require(key, object)
  return { kind: 'large', object }
}
