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

/** How often a copy is tried when others write to the same place: each time one of them has done it. */
const MAX_TRIES = 50

export interface CopyParts {
  readonly connection: AzureConnection
  readonly copier: BlobCopier
  readonly settings: Pick<AzureSettings, 'max_retries' | 'retry_delay'>
}

/** Copies to places where something may stand. While the service copies, that is gone, and it stays so if the copy fails:
 *  so nothing is copied over a blob that has the same bytes already. It gets a new date, as a copy would have. */
export class Copies {
  readonly #parts: CopyParts

  constructor(parts: CopyParts) {
    this.#parts = parts
  }

  /** @returns false when a blob stands there that was not to be replaced
   *  @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID when the source is another; BUSY; whatever the SDK throws */
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
    const message = `others write to ${copy.to} at the same time`
    throw new StorageError('BUSY', { path: copy.to, message })
  }

  /** @throws StorageError PATH_NOT_FOUND, OFFSET_INVALID; whatever the SDK throws */
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
      // Somebody else may have replaced it meanwhile.
      if ((await propertiesOf(blob))?.etag !== standing.etag) return false
      throw cause
    }
  }

  #read(name: string, etag: string): AsyncIterable<Uint8Array> {
    const { max_retries: mostRetries, retry_delay: retryDelay } = this.#parts.settings
    return new BlobRead(this.#blob(name), { path: name, etag, mostRetries, retryDelay }).chunks()
  }

  /** @returns false when it is another by now */
  async #renew(name: string, standing: BlobGetPropertiesResponse): Promise<boolean> {
    try {
      await renew(this.#parts.connection, name, standing)
      return true
    } catch (cause) {
      if (isConditionNotMet(cause) || isRefusal(cause, 'BlobNotFound')) return false
      throw cause
    }
  }

  /** Copies over a blob of other bytes, as long as it is that one. No blob takes the place of one of another type: that has
   *  to go first.
   *  @returns false when there is nothing there by now, or something else */
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
