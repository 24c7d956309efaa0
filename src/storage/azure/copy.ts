import { setTimeout as delay } from 'node:timers/promises'
import {
  type BlobClient,
  type BlobGetPropertiesResponse,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import type { AzureConnection } from './client.ts'
import { isConditionNotMet, isRefusal } from './errors.ts'
import type { AzureSettings } from './settings.ts'
import { isToken, type Signatures } from './signatures.ts'
import type { BlobState, WrittenBlobs } from './written-blobs.ts'

/** Up to here the service copies block blobs, and only those, while the caller waits ("Copy Blob From URL"): the copy
 *  appears at once. */
const MAX_SYNCHRONOUS_BYTES = 256 * 1024 * 1024

const STORAGE_SCOPE = 'https://storage.azure.com/.default'

export interface CopyOptions {
  readonly from: BlobClient
  readonly to: BlobClient
  /** False where a blob that stands at the other place is to stay. */
  readonly replace: boolean
  /** How long the blob must be; undefined for whatever it is. */
  readonly size?: number | undefined
}

interface Copy extends CopyOptions {
  readonly source: BlobState
}

/** What the SDK's type leaves out. */
interface CopyState {
  readonly copyId?: string
  readonly isCompleted?: boolean
}

export interface CopyParts {
  readonly connection: AzureConnection
  readonly signatures: Signatures
  readonly written: WrittenBlobs
  readonly settings: Pick<AzureSettings, 'copy_status_poll_max_retry' | 'copy_status_poll_delay'>
}

/** Copies within the container, without bytes passing through here. */
export class Copies {
  readonly #parts: CopyParts

  constructor(parts: CopyParts) {
    this.#parts = parts
  }

  /** The copy of a small block blob appears whole and at once, any other when the service has copied it, which within an
   *  account it mostly has when it answers; until then it reads as not there. What this process has written itself it
   *  does not look at first.
   *  @returns false when a blob stands there that was not to be replaced
   *  @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID; whatever the SDK throws */
  async copy(options: CopyOptions): Promise<boolean> {
    const { from, size } = options
    const known = this.#parts.written.get(from.name)
    if (known !== undefined && (size ?? known.contentLength) === known.contentLength) {
      const copied = await this.#copyIfUnchanged({ ...options, source: known })
      // Whatever stands there, the size counts.
      if (copied === false && size !== undefined) await wholeProperties(options)
      if (copied !== undefined) return copied
    }
    return this.#copyFrom({ ...options, source: await wholeProperties(options) })
  }

  /** Undefined when somebody else has written to it. */
  async #copyIfUnchanged(copy: Copy): Promise<boolean | undefined> {
    try {
      return await this.#copyFrom(copy)
    } catch (cause) {
      if (!isConditionNotMet(cause)) throw cause
      this.#parts.written.forget(copy.from.name)
      return undefined
    }
  }

  async #copyFrom(copy: Copy): Promise<boolean> {
    try {
      await this.#copyOnce(copy)
    } catch (cause) {
      if (!copy.replace && (await isThere(copy.to, cause))) return false
      if (!copy.replace || !isRefusal(cause, 'InvalidBlobType')) throw cause
      // No blob takes the place of one of another type.
      await copy.to.deleteIfExists({ deleteSnapshots: 'include' })
      await this.#copyOnce(copy)
    }
    return true
  }

  #copyOnce(copy: Copy): Promise<void> {
    const { blobType, contentLength = 0 } = copy.source
    const isQuick = blobType === 'BlockBlob' && contentLength <= MAX_SYNCHRONOUS_BYTES
    return isQuick ? this.#copyAtOnce(copy) : this.#copyInTime(copy)
  }

  /** Whatever its size, the copy is of the blob's own type: so it can take the place of an append blob in one step. */
  async copyKeepingType(options: CopyOptions): Promise<void> {
    await this.#copyInTime({ ...options, source: await wholeProperties(options) })
  }

  async #copyAtOnce({ from, to, source, replace }: Copy): Promise<void> {
    const { url, sourceAuthorization } = await this.#readable(from)
    await to.syncCopyFromURL(url, {
      ...conditionsOf(source, replace),
      ...(sourceAuthorization && { sourceAuthorization }),
    })
  }

  async #copyInTime({ from, to, source, replace }: Copy): Promise<void> {
    // Within an account the right to copy is that of the request ("Copy Blob", Authorization).
    const begun = await to.beginCopyFromURL(from.url, conditionsOf(source, replace))
    const { copyId = '', isCompleted = false } = begun.getOperationState() as CopyState
    if (!isCompleted) await this.#untilCopied(to, copyId)
  }

  /** Given up when it was looked at several times in a row without progress. */
  async #untilCopied(to: BlobClient, copyId: string): Promise<void> {
    const { copy_status_poll_max_retry: mostLooks, copy_status_poll_delay: wait } = this.#parts.settings
    let progress: string | undefined
    for (let looks = 1; ; ) {
      await delay(wait * looks)
      const { copyStatus, copyProgress, copyStatusDescription = '' } = await to.getProperties()
      if (copyStatus === undefined || copyStatus === 'success') return
      const isStalled = copyProgress === progress && looks >= mostLooks
      if (copyStatus !== 'pending' || isStalled)
        throw await giveUp(to, { copyId, copyStatus, copyStatusDescription })
      looks = copyProgress === progress ? looks + 1 : 1
      progress = copyProgress
    }
  }

  /** Where the service can read the blob: with an account key by a signature, with a token by the token. */
  async #readable(from: BlobClient) {
    const { credential } = this.#parts.connection
    if (credential instanceof StorageSharedKeyCredential) {
      return { url: String(await this.#parts.signatures.readUrl(from.name)) }
    }
    if (!isToken(credential)) return { url: from.url }
    const token = await credential.getToken(STORAGE_SCOPE)
    return { url: from.url, ...(token && { sourceAuthorization: { scheme: 'Bearer', value: token.token } }) }
  }
}

/** What a copy has left that is under way or has failed is no file, but the service shows it like one.
 *  @throws StorageError PATH_NOT_FOUND */
export function requireWhole({ copyStatus }: { copyStatus?: string | undefined }, path: string): void {
  if (copyStatus === undefined || copyStatus === 'success') return
  throw new StorageError('PATH_NOT_FOUND', { path, message: `copied in part only (${copyStatus}): ${path}` })
}

/** How a blob stands that is wholly there, and as long as it must be.
 *  @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID; whatever the SDK throws */
export async function wholeProperties({
  from,
  size,
}: Pick<CopyOptions, 'from' | 'size'>): Promise<BlobGetPropertiesResponse> {
  const properties = await from.getProperties()
  requireWhole(properties, from.name)
  if (size === undefined || properties.contentLength === size) return properties
  const message = `${from.name} has ${properties.contentLength} bytes, not ${size}`
  throw new StorageError('OFFSET_INVALID', { path: from.name, message })
}

/** Whether the copy was refused because a blob stands in the other place, of whatever type, not because the source has
 *  changed. */
async function isThere(to: BlobClient, cause: unknown): Promise<boolean> {
  return (
    isRefusal(cause, 'BlobAlreadyExists', 'InvalidBlobType') ||
    (isConditionNotMet(cause) && (await to.exists()))
  )
}

/** The blob is copied as it was looked at. */
function conditionsOf({ etag }: BlobState, replace: boolean) {
  return {
    ...(replace ? {} : { conditions: { ifNoneMatch: '*' } }),
    ...(etag === undefined ? {} : { sourceConditions: { ifMatch: etag } }),
  }
}

/** Removes what there is of the copy, unless something else stands there by now. */
async function giveUp(
  to: BlobClient,
  {
    copyId,
    copyStatus,
    copyStatusDescription,
  }: Record<'copyId' | 'copyStatus' | 'copyStatusDescription', string>,
): Promise<StorageError> {
  await to.abortCopyFromURL(copyId).catch(() => undefined)
  const left = await to.getProperties().catch(() => undefined)
  if (left?.copyId === copyId && left.copyStatus !== 'success' && left.etag !== undefined) {
    await to.delete({ conditions: { ifMatch: left.etag } }).catch(() => undefined)
  }
  const message = `the service has not copied to ${to.name}: ${copyStatus} ${copyStatusDescription}`.trim()
  return new StorageError(copyStatus === 'pending' ? 'BUSY' : 'BACKEND_FAILED', { path: to.name, message })
}
