import { setTimeout as delay } from 'node:timers/promises'
import {
  type BlobClient,
  type BlobGetPropertiesResponse,
  type BlobRequestConditions,
  type Metadata,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { StorageError } from '../../../core/errors.ts'
import {
  type BlobState,
  bears,
  isWhole,
  newMark,
  propertiesOf,
  removeUnchanged,
  requireEtag,
} from '../blob-state.ts'
import type { AzureConnection } from '../client.ts'
import { isConditionNotMet, isRefusal } from '../errors.ts'
import type { AzureSettings } from '../settings.ts'
import { isToken, type Signatures } from '../signatures.ts'

/** Size limit of synchronous copies, which exist for block blobs only ("Copy Blob From URL"): the copy
 *  appears at once. */
const MAX_SYNCHRONOUS_BYTES = 256 * 1024 * 1024

const STORAGE_SCOPE = 'https://storage.azure.com/.default'

/** Codes for a target that exists and can't be replaced by the copy. */
const TAKEN = ['BlobAlreadyExists', 'InvalidBlobType', 'PendingCopyOperation']

/** A copy from one blob to another, by name. */
export interface Copy {
  readonly from: string
  readonly to: string
  /** The expected state of the source. */
  readonly source: BlobState
}

interface CopyConditions {
  readonly conditions: BlobRequestConditions
  readonly sourceConditions: { readonly ifMatch: string }
  readonly metadata: Metadata
}

/** The progress of a copy. */
type CopyProgress = Pick<
  BlobGetPropertiesResponse,
  'copyId' | 'copyStatus' | 'copyProgress' | 'copyStatusDescription' | 'etag'
>

export interface CopierParts {
  readonly connection: AzureConnection
  readonly signatures: Signatures
  readonly settings: Pick<AzureSettings, 'copy_status_poll_max_retry' | 'copy_status_poll_delay'>
}

/** Copies blobs within the container, in the service. A copy is identified by a mark in its metadata; a
 *  target without it belongs to another request, even if it has the same size.
 *
 *  A small block blob is copied synchronously. Others are copied by the service in the background, mostly
 *  before it answers; until then the target reads as missing. */
export class BlobCopier {
  readonly #parts: CopierParts

  constructor(parts: CopierParts) {
    this.#parts = parts
  }

  /** Copies a blob.
   *  @param conditions of the target
   *  @returns the copy; undefined if the conditions fail, or the source has changed; nothing is done then
   *  @throws StorageError PATH_NOT_FOUND; BUSY, BACKEND_FAILED if the copy makes no progress; the SDK's
   *    errors */
  async copyOnto(copy: Copy, conditions: BlobRequestConditions): Promise<BlobState | undefined> {
    const { once, attempts } = this.#parts.connection
    const metadata = newMark()
    const sourceConditions = { ifMatch: copy.source.etag }
    const find = async () => {
      const found = await propertiesOf(once.getBlobClient(copy.to))
      return found !== undefined && bears(found, metadata) ? found : undefined
    }
    try {
      const begun = await attempts.settle<CopyProgress>(
        () => this.#begin(copy, { conditions, sourceConditions, metadata }),
        find,
      )
      const done = await this.#whenCopied(copy.to, begun)
      return done && { ...copy.source, etag: requireEtag(done) }
    } catch (cause) {
      if (isConditionNotMet(cause) || isRefusal(cause, ...TAKEN)) return undefined
      throw cause
    }
  }

  /** The target once no copy to it is running. Undefined if it does not exist.
   *  @throws StorageError BUSY */
  async standing(name: string): Promise<BlobGetPropertiesResponse | undefined> {
    const blob = this.#blob(name)
    const found = await propertiesOf(blob)
    const now = found && (await this.#atRest(blob, found))
    if (now === undefined || isWhole(now)) return now
    if (now.copyStatus === 'pending') throw notCopied(name, now)
    await removeUnchanged(blob, requireEtag(now))
    return undefined
  }

  #begin(copy: Copy, conditions: CopyConditions): Promise<CopyProgress> {
    const { type, size } = copy.source
    const isQuick = type === 'BlockBlob' && size <= MAX_SYNCHRONOUS_BYTES
    return isQuick ? this.#copyAtOnce(copy, conditions) : this.#beginInTime(copy, conditions)
  }

  async #copyAtOnce({ from, to }: Copy, conditions: CopyConditions): Promise<CopyProgress> {
    const { url, sourceAuthorization } = await this.#readable(this.#blob(from))
    const answer = await this.#parts.connection.once.getBlobClient(to).syncCopyFromURL(url, {
      ...conditions,
      ...(sourceAuthorization && { sourceAuthorization }),
    })
    return { ...answer, copyStatus: 'success' }
  }

  /** Starts a background copy. Within an account the request's credentials are enough ("Copy Blob",
   *  Authorization). */
  async #beginInTime({ from, to }: Copy, conditions: CopyConditions): Promise<CopyProgress> {
    const blob = this.#parts.connection.once.getBlobClient(to)
    const poller = await blob.beginCopyFromURL(this.#blob(from).url, conditions)
    const { copyId } = poller.getOperationState() as { copyId?: string } // which the SDK's type leaves out
    return poller.getResult() ?? { ...(copyId !== undefined && { copyId }), copyStatus: 'pending' }
  }

  /** Waits for the copy. Undefined if the target was replaced.
   *  @throws StorageError BUSY, BACKEND_FAILED */
  async #whenCopied(name: string, begun: CopyProgress): Promise<CopyProgress | undefined> {
    if (isWhole(begun)) return begun
    const to = this.#blob(name)
    const now = await this.#atRest(to, begun)
    if (now === undefined || now.copyId !== begun.copyId) return undefined
    if (isWhole(now)) return now
    throw await giveUp(to, now)
  }

  /** Polls until the copy has ended, or has made no progress several times in a row. */
  async #atRest<Found extends CopyProgress>(
    blob: BlobClient,
    found: Found,
  ): Promise<Found | BlobGetPropertiesResponse | undefined> {
    const { copy_status_poll_max_retry: mostLooks, copy_status_poll_delay: wait } = this.#parts.settings
    let now: Found | BlobGetPropertiesResponse | undefined = found
    for (let looks = 0; now?.copyStatus === 'pending' && looks < mostLooks; ) {
      const { copyProgress }: CopyProgress = now
      await delay(wait * ++looks)
      now = await propertiesOf(blob)
      if (now?.copyProgress !== copyProgress) looks = 0
    }
    return now
  }

  #blob(name: string): BlobClient {
    return this.#parts.connection.container.getBlobClient(name)
  }

  /** The source as the service can read it: with an account key by a signature, with a token by that
   *  token. */
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

/** Removes an incomplete copy, unless the target was replaced. */
async function giveUp(to: BlobClient, copy: CopyProgress): Promise<StorageError> {
  await to.abortCopyFromURL(copy.copyId ?? '').catch(() => undefined)
  const left = await propertiesOf(to).catch(() => undefined)
  if (left !== undefined && left.copyId === copy.copyId && !isWhole(left)) {
    await removeUnchanged(to, requireEtag(left)).catch(() => undefined)
  }
  return notCopied(to.name, copy)
}

function notCopied(name: string, { copyStatus, copyStatusDescription = '' }: CopyProgress): StorageError {
  const message = `the copy to ${name} failed: ${copyStatus} ${copyStatusDescription}`.trim()
  return new StorageError(copyStatus === 'pending' ? 'BUSY' : 'BACKEND_FAILED', { path: name, message })
}
