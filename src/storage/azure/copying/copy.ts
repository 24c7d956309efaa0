import type { BlobClient, BlobGetPropertiesResponse } from '@azure/storage-blob'
import { StorageError } from '../../../core/errors.ts'
import { propertiesOf, removeUnchanged, requireEtag, wholeState } from '../blob-state.ts'
import type { AzureConnection } from '../client.ts'
import { isConditionNotMet, isRefusal } from '../errors.ts'
import { BlobRead } from '../reader.ts'
import { renew } from '../renewal.ts'
import type { AzureSettings } from '../settings.ts'
import type { BlobCopier, Copy } from './copier.ts'
import { areSameBytes } from './same-bytes.ts'

/** Attempts at a copy while others write to the target: each time one of them has succeeded. */
const MAX_TRIES = 50

export interface CopyParts {
  readonly connection: AzureConnection
  readonly copier: BlobCopier
  readonly settings: Pick<AzureSettings, 'max_retries' | 'retry_delay'>
}

/** Copies to names that may exist. During a background copy the target is missing, and stays so if the copy
 *  fails. So a target with the same bytes is not replaced; it only gets a new date, as a copy would have. */
export class Copies {
  readonly #parts: CopyParts

  constructor(parts: CopyParts) {
    this.#parts = parts
  }

  /** Copies a blob.
   *  @returns false if the target exists and is not to be replaced
   *  @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID if the source has changed; BUSY; the SDK's errors */
  async copy(copy: Copy & { readonly replace: boolean }): Promise<boolean> {
    const { copier } = this.#parts
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      if (await copier.copyOnto(copy, { ifNoneMatch: '*' })) return true
      const [standing] = await Promise.all([copier.standing(copy.to), this.requireSource(copy)])
      if (standing === undefined) continue
      if (!copy.replace) return false
      const isSame = await this.#hasBytes(copy, standing)
      if (await (isSame ? this.#renew(copy.to, standing) : this.#replace(copy, standing))) return true
    }
    const message = `other processes write to ${copy.to} at the same time`
    throw new StorageError('BUSY', { path: copy.to, message })
  }

  /** Checks the source.
   *  @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID; the SDK's errors */
  async requireSource({ from, source }: Copy): Promise<void> {
    const now = await wholeState(this.#blob(from))
    if (now.etag !== source.etag) throw new StorageError('OFFSET_INVALID', { path: from })
  }

  async #hasBytes({ from, to, source }: Copy, standing: BlobGetPropertiesResponse): Promise<boolean> {
    if (standing.contentLength !== source.size) return false
    const blob = this.#blob(to)
    try {
      return await areSameBytes(this.#read(from, source.etag), this.#read(to, requireEtag(standing)))
    } catch (cause) {
      // Another request may have replaced it meanwhile.
      if ((await propertiesOf(blob))?.etag !== standing.etag) return false
      throw cause
    }
  }

  #read(name: string, etag: string): AsyncIterable<Uint8Array> {
    const { max_retries: mostRetries, retry_delay: retryDelay } = this.#parts.settings
    return new BlobRead(this.#blob(name), { path: name, etag, mostRetries, retryDelay }).chunks()
  }

  /** Renews the date of the target.
   *  @returns false if it has changed */
  async #renew(name: string, standing: BlobGetPropertiesResponse): Promise<boolean> {
    try {
      await renew(this.#parts.connection, name, standing)
      return true
    } catch (cause) {
      if (isConditionNotMet(cause) || isRefusal(cause, 'BlobNotFound')) return false
      throw cause
    }
  }

  /** Replaces a target with other bytes, if it has not changed. A target of another type must be removed
   *  first.
   *  @returns false if it does not exist any more, or has changed */
  async #replace(copy: Copy, standing: BlobGetPropertiesResponse): Promise<boolean> {
    const etag = requireEtag(standing)
    if (standing.blobType === copy.source.type)
      return (await this.#parts.copier.copyOnto(copy, { ifMatch: etag })) !== undefined
    await removeUnchanged(this.#blob(copy.to), etag)
    return false
  }

  #blob(name: string): BlobClient {
    return this.#parts.connection.container.getBlobClient(name)
  }
}
