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

/** Blobs of either type in places where the service wants the other: what was put is a block blob, what is appended to
 *  an append blob, and the service replaces neither by the other. */
export class Conversions {
  readonly #parts: ConversionParts

  constructor(parts: ConversionParts) {
    this.#parts = parts
  }

  /** Makes an append blob of a blob that was put, so that it can be appended to. For a moment it is not there; its
   *  content then stands among what is not finished. Of several that do so at once one succeeds.
   *  @throws StorageError OFFSET_INVALID when somebody else has done something to the blob */
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

  /** Puts content in the place of an append blob, in one step for readers. */
  async putOverAppendBlob(name: string, content: Uint8Array): Promise<void> {
    const temporary = await this.#temporaryOf([content])
    const copy = { from: temporary.name, to: name, source: temporary.state }
    const made = await this.#parts.copier.copyOnto(copy, {})
    await this.#remove(temporary)
    if (made !== undefined) return
    throw new StorageError('BUSY', { path: name, message: `others write to ${name} at the same time` })
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

  /** @returns false when it is another by now, or somebody else has removed it */
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
        // Gone by a request whose answer was lost: whoever copies to that place next does so only if nothing stands there.
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
