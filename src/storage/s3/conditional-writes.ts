import { createHash, getFips, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { StorageError } from '../../core/errors.ts'
import type { Bucket, Condition, Part } from './bucket.ts'
import type { ConditionalWriteSupport } from './conditional-write-support.ts'
import { isConditionFailed, isConflict, isMissing, isOther, isUncertain } from './errors.ts'
import { type MultipartState, marked, type ObjectState, sizeOf, stateOf } from './record.ts'
import type { StoredObject } from './versions.ts'

export interface ConditionalPut {
  readonly condition: Condition
  readonly metadata?: Readonly<Record<string, string>>
}

export interface ConditionalCompletion {
  readonly condition: Condition
  /** True if no other object of this size can be completed from the upload. */
  readonly isOnlyOne: boolean
}

export interface CompletedObject extends StoredObject {
  /** Including the tail, if there is one. */
  readonly parts: readonly Part[]
}

/** Attempts at a write while other writes to the key are running. */
const MAX_ATTEMPTS = 3
const PAUSE_MS = 50

/** Conditional writes: by the conditions that the store supports, or else by a check before the write. If an
 *  answer was lost, the object's mark shows whether the write has succeeded. */
export class ConditionalWrites {
  readonly #bucket: Bucket
  readonly #support: ConditionalWriteSupport

  constructor(bucket: Bucket, support: ConditionalWriteSupport) {
    this.#bucket = bucket
    this.#support = support
  }

  async look(key: string): Promise<ObjectState | undefined> {
    try {
      return stateOf(await this.#bucket.head(key))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** Writes an object.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the condition fails; after a retry the write may
   *    have succeeded before */
  async put(
    key: string,
    content: Uint8Array,
    { condition, metadata }: ConditionalPut,
  ): Promise<StoredObject> {
    const { createOnly, replaceOnly } = this.#support
    const isHonoured = condition !== undefined && 'absent' in condition ? createOnly : replaceOnly
    const sent = await this.#honoured(key, condition, isHonoured)
    const mark = randomUUID()
    const size = content.byteLength
    for (let attempt = 1; ; attempt++) {
      try {
        const options = { condition: sent, metadata: { ...metadata, ...marked(mark) } }
        return { size, etag: await this.#bucket.put(key, content, options), mark }
      } catch (error) {
        if (!isConditionFailed(error) && !isMissing(error)) throw error
        const state = await this.look(key)
        if (state?.mark === mark) return { size, etag: state.etag, mark }
        if (!isConflict(error) || attempt === MAX_ATTEMPTS) throw refusal(key, { state, cause: error })
      }
      await delay(attempt * PAUSE_MS)
    }
  }

  /** Completes a multipart upload, with the tail as its last part.
   *
   *  If an upload was completed before, some stores repeat that answer, whatever parts are named now. So the
   *  object's entity tag, which is derived from its parts, is checked.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if it can't be verified that the object has these
   *    parts; the SDK's errors */
  async complete(
    { upload, parts, tail }: MultipartState,
    { condition, isOnlyOne }: ConditionalCompletion,
  ): Promise<CompletedObject> {
    const { key, mark } = upload
    const size = sizeOf({ parts, tail })
    const sent = await this.#honoured(key, condition, this.#support.completeOnly)
    let all = parts
    let failure: unknown
    try {
      if (tail.byteLength > 0) all = [...parts, await this.#bucket.putPart(upload, parts.length + 1, tail)]
      const etag = await this.#bucket.completeUpload(upload, all, sent)
      if (etag === etagOf(all)) return { size, etag, mark, parts: all }
    } catch (error) {
      if (!isUncertain(error) && !isOther(error) && !isMissing(error)) throw error
      failure = error
    }
    const state = await this.look(key)
    const isMade =
      state?.kind === 'object' &&
      state.size === size &&
      (state.etag === etagOf(all) || (isOnlyOne && state.mark === mark))
    if (isMade) return { size, etag: state.etag, mark, parts: all }
    throw isUncertain(failure) ? failure : refusal(key, { state, cause: failure })
  }

  /** The condition, if the store supports it; otherwise none, after it was checked here.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the condition fails */
  async #honoured(key: string, condition: Condition, isHonoured: boolean): Promise<Condition> {
    if (condition === undefined || isHonoured) return condition
    const state = await this.look(key)
    const holds = 'absent' in condition ? state === undefined : state?.etag === condition.etag
    if (!holds) throw refusal(key, { state })
    return undefined
  }
}

function refusal(
  path: string,
  { state, cause }: { state: ObjectState | undefined; cause?: unknown },
): StorageError {
  return new StorageError(state === undefined ? 'PATH_NOT_FOUND' : 'OFFSET_INVALID', { path, cause })
}

/** The entity tag of an object with these parts, if theirs are MD5 digests. Undefined if it is unknown. */
function etagOf(parts: readonly Part[]): string | undefined {
  if (getFips() === 1) return undefined
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag.replaceAll('"', ''), 'hex'))
  return `"${hash.digest('hex')}-${parts.length}"`
}
