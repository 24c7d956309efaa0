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

/** Up to here the service copies block blobs, and only those, while the caller waits ("Copy Blob From URL"): the copy
 *  appears at once. */
const MAX_SYNCHRONOUS_BYTES = 256 * 1024 * 1024

const STORAGE_SCOPE = 'https://storage.azure.com/.default'

/** How the service says that something stands there which the copy cannot replace. */
const TAKEN = ['BlobAlreadyExists', 'InvalidBlobType', 'PendingCopyOperation']

/** From one blob to another, by their names. */
export interface Copy {
  readonly from: string
  readonly to: string
  /** What is copied: it must still stand so. */
  readonly source: BlobState
}

interface CopyConditions {
  readonly conditions: BlobRequestConditions
  readonly sourceConditions: { readonly ifMatch: string }
  readonly metadata: Metadata
}

/** What is said of a copy, when it begins and later. */
type CopyProgress = Pick<
  BlobGetPropertiesResponse,
  'copyId' | 'copyStatus' | 'copyProgress' | 'copyStatusDescription' | 'etag'
>

export interface CopierParts {
  readonly connection: AzureConnection
  readonly signatures: Signatures
  readonly settings: Pick<AzureSettings, 'copy_status_poll_max_retry' | 'copy_status_poll_delay'>
}

/** Has the service copy blobs within the container, without bytes passing through here. A copy is known by a mark in its
 *  metadata: one that stands there without it is somebody else's, whatever its size.
 *
 *  The copy of a small block blob appears whole and at once, any other when the service has copied it, which within an
 *  account it mostly has when it answers; until then it reads as not there. */
export class BlobCopier {
  readonly #parts: CopierParts

  constructor(parts: CopierParts) {
    this.#parts = parts
  }

  /** @param conditions what must hold of the other place
   *  @returns the copy; undefined when the conditions do not hold, or the source is another: nothing was done
   *  @throws StorageError PATH_NOT_FOUND; BUSY, BACKEND_FAILED when the service does not get on with it; whatever the SDK
   *    throws */
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

  /** What stands in a place when nobody copies to it any more; undefined where there is nothing.
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

  /** Within an account the right to copy is that of the request ("Copy Blob", Authorization). */
  async #beginInTime({ from, to }: Copy, conditions: CopyConditions): Promise<CopyProgress> {
    const blob = this.#parts.connection.once.getBlobClient(to)
    const poller = await blob.beginCopyFromURL(this.#blob(from).url, conditions)
    const { copyId } = poller.getOperationState() as { copyId?: string } // which the SDK's type leaves out
    return poller.getResult() ?? { ...(copyId !== undefined && { copyId }), copyStatus: 'pending' }
  }

  /** Undefined when something else stands there by now.
   *  @throws StorageError BUSY, BACKEND_FAILED */
  async #whenCopied(name: string, begun: CopyProgress): Promise<CopyProgress | undefined> {
    if (isWhole(begun)) return begun
    const to = this.#blob(name)
    const now = await this.#atRest(to, begun)
    if (now === undefined || now.copyId !== begun.copyId) return undefined
    if (isWhole(now)) return now
    throw await giveUp(to, now)
  }

  /** Looks on until the copy is no longer under way, or was looked at several times in a row without progress. */
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

/** Removes what there is of the copy, unless something else stands there by now. */
async function giveUp(to: BlobClient, copy: CopyProgress): Promise<StorageError> {
  await to.abortCopyFromURL(copy.copyId ?? '').catch(() => undefined)
  const left = await propertiesOf(to).catch(() => undefined)
  if (left !== undefined && left.copyId === copy.copyId && !isWhole(left)) {
    await removeUnchanged(to, requireEtag(left)).catch(() => undefined)
  }
  return notCopied(to.name, copy)
}

function notCopied(name: string, { copyStatus, copyStatusDescription = '' }: CopyProgress): StorageError {
  const message = `the service has not copied to ${name}: ${copyStatus} ${copyStatusDescription}`.trim()
  return new StorageError(copyStatus === 'pending' ? 'BUSY' : 'BACKEND_FAILED', { path: name, message })
}
