import { StorageError } from '../../core/errors.ts'
import type { FileVersion, State } from '../../core/storage-driver.ts'
import { bears, newMark, propertiesOf, requireEtag } from './blob-state.ts'
import type { AzureConnection } from './client.ts'
import { isConditionNotMet, isRefusal } from './errors.ts'
import { BlobRead, type BlobReadOptions } from './reader.ts'

/** States as small block blobs, written on the condition of their ETag, which is their version. */
export class States {
  readonly #connection: AzureConnection

  constructor(connection: AzureConnection) {
    this.#connection = connection
  }

  /** Reads a state.
   *  @throws StorageError PATH_NOT_FOUND and others */
  async get(name: string, options: BlobReadOptions): Promise<State> {
    const read = new BlobRead(this.#connection.container.getBlobClient(name), options)
    const chunks: Uint8Array[] = []
    for await (const chunk of read.chunks()) chunks.push(chunk)
    return { content: Buffer.concat(chunks), version: read.etag }
  }

  /** Swaps a state.
   *  @returns the new version; undefined if the state has another
   *  @throws the SDK's errors; StorageError BUSY if the outcome is unknown */
  async swap(
    name: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const { once, attempts } = this.#connection
    const blob = once.getBlockBlobClient(name)
    const metadata = newMark()
    const conditions = expected === undefined ? { ifNoneMatch: '*' } : { ifMatch: expected }
    const send = async () =>
      requireEtag(await blob.upload(content, content.byteLength, { conditions, metadata }))
    const look = async () => {
      const now = await propertiesOf(blob)
      if (now !== undefined && bears(now, metadata)) return requireEtag(now)
      if (now?.etag === expected) return undefined
      // The swap may have succeeded, and been followed by another one.
      const message = `another process has changed ${name} while an answer was lost`
      throw new StorageError('BUSY', { path: name, message })
    }
    try {
      return await attempts.settle(send, look)
    } catch (cause) {
      if (isConditionNotMet(cause) || isRefusal(cause, 'BlobAlreadyExists', 'BlobNotFound')) return undefined
      throw cause
    }
  }
}
