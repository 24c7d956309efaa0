import { randomUUID } from 'node:crypto'
import type { AppendBlobClient, BlobGetPropertiesResponse, ContainerClient } from '@azure/storage-blob'
import { AppendBlob } from './append-blob.ts'
import type { Copies } from './copy.ts'
import type { BlobNames } from './names.ts'
import { readBlob } from './reader.ts'
import { BlobWriter } from './writer.ts'
import type { WrittenBlobs } from './written-blobs.ts'

export interface ConversionParts {
  readonly container: ContainerClient
  readonly copies: Copies
  readonly names: BlobNames
  readonly written: WrittenBlobs
}

/** Blobs of either type in places where the service wants the other: what was put is a block blob, what is appended to
 *  an append blob, and the service replaces neither by the other. */
export class Conversions {
  readonly #parts: ConversionParts

  constructor(parts: ConversionParts) {
    this.#parts = parts
  }

  /** Makes an append blob of a blob that was put, so that it can be appended to. For a moment it is not there; its
   *  content then stands among what is not finished. */
  async toAppendBlob(name: string, found: BlobGetPropertiesResponse): Promise<void> {
    const { container, copies } = this.#parts
    const to = container.getAppendBlobClient(name)
    const unchanged = { conditions: found.etag === undefined ? {} : { ifMatch: found.etag } }
    if (found.contentLength === 0) {
      await to.delete(unchanged)
      await to.create({ conditions: { ifNoneMatch: '*' } })
      return
    }
    const from = await this.#temporaryOf(readBlob(to, { path: name }))
    await to.delete(unchanged)
    await copies.copyKeepingType({ from, to, replace: false })
    await from.delete()
  }

  /** Puts content in the place of an append blob, in one step for readers. */
  async putOverAppendBlob(name: string, content: Uint8Array): Promise<void> {
    const { container, copies } = this.#parts
    const from = await this.#temporaryOf([content])
    await copies.copyKeepingType({ from, to: container.getAppendBlobClient(name), replace: true })
    await from.delete()
  }

  async #temporaryOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<AppendBlobClient> {
    const { container, names, written } = this.#parts
    const client = container.getAppendBlobClient(names.temporary + randomUUID())
    const path = client.name
    const blob = (await AppendBlob.create(client, { path, written }))!
    const writer = new BlobWriter(blob, path)
    for await (const chunk of chunks) await writer.write(chunk)
    await writer.close()
    return client
  }
}
