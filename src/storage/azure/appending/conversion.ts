import { randomUUID } from 'node:crypto'
import { StorageError } from '../../../core/errors.ts'
import type { GatherBudget } from '../../object-store/gather-budget.ts'
import { type BlobState, propertiesOf } from '../blob-state.ts'
import type { AzureConnection } from '../client.ts'
import type { BlobCopier } from '../copying/copier.ts'
import { isConditionNotMet, isRefusal } from '../errors.ts'
import type { BlobNames } from '../names.ts'
import { BlobRead } from '../reader.ts'
import { openAppendBlob } from './append-blob.ts'
import { BlobWriter } from './writer.ts'

export interface ConversionParts {
  readonly connection: AzureConnection
  readonly copier: BlobCopier
  readonly names: BlobNames
  readonly budget: GatherBudget
}

interface TemporaryBlob {
  readonly name: string
  readonly state: BlobState
}

/** Converts blobs between the types: files written with `put` are block blobs, appended ones are append
 *  blobs, and the service does not let one replace the other. */
export class Conversions {
  readonly #parts: ConversionParts

  constructor(parts: ConversionParts) {
    this.#parts = parts
  }

  /** Converts a block blob to an append blob. It does not exist for a moment; its content is then in a
   *  temporary blob. Of several concurrent conversions one succeeds.
   *  @throws StorageError OFFSET_INVALID if the blob has changed */
  async toAppendBlob(name: string, found: BlobState): Promise<BlobState> {
    const { connection, copier } = this.#parts
    const blob = connection.container.getBlobClient(name)
    const read = new BlobRead(blob, { path: name, etag: found.etag })
    const temporary = await this.#temporaryOf(read.chunks())
    const isRemoved = await this.#removeForGood(name, found.etag)
    const copy = { from: temporary.name, to: name, source: temporary.state }
    const made = isRemoved ? await copier.copyOnto(copy, { ifNoneMatch: '*' }) : undefined
    await this.#remove(temporary)
    if (made === undefined) throw new StorageError('OFFSET_INVALID', { path: name })
    return made
  }

  /** Replaces an append blob by other content, atomically for readers. */
  async putOverAppendBlob(name: string, content: Uint8Array): Promise<void> {
    const temporary = await this.#temporaryOf([content])
    const copy = { from: temporary.name, to: name, source: temporary.state }
    const made = await this.#parts.copier.copyOnto(copy, {})
    await this.#remove(temporary)
    if (made !== undefined) return
    throw new StorageError('BUSY', {
      path: name,
      message: `other processes write to ${name} at the same time`,
    })
  }

  async #temporaryOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<TemporaryBlob> {
    const { connection, names, budget } = this.#parts
    const name = names.temporary + randomUUID()
    const convert = () => Promise.reject(new Error(`${name} is an append blob`))
    const blob = await openAppendBlob({ connection, name, path: name }, { offset: 0, convert })
    const writer = new BlobWriter(blob, { path: name, budget })
    for await (const chunk of chunks) await writer.write(chunk)
    await writer.close()
    return { name, state: blob.state }
  }

  /** Removes a blob of an ETag.
   *  @returns false if it has changed, or another request has removed it */
  async #removeForGood(name: string, etag: string): Promise<boolean> {
    const { once, attempts } = this.#parts.connection
    const blob = once.getBlobClient(name)
    const conditions = { ifMatch: etag }
    try {
      return await attempts.settle(
        async () => {
          await blob.delete({ conditions, deleteSnapshots: 'include' })
          return true
        },
        // Removed by an attempt whose answer was lost. A later copy to the name succeeds only if it is free.
        async () => ((await propertiesOf(blob)) === undefined ? true : undefined),
      )
    } catch (cause) {
      if (isConditionNotMet(cause) || isRefusal(cause, 'BlobNotFound')) return false
      throw cause
    }
  }

  async #remove({ name }: TemporaryBlob): Promise<void> {
    await this.#parts.connection.container.getBlobClient(name).deleteIfExists()
  }
}
