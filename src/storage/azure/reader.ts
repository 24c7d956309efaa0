import { setTimeout as delay } from 'node:timers/promises'
import type { BlobClient } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import type { ByteRange, ReadOptions } from '../../core/storage-driver.ts'
import { requireEtag, requireWhole } from './blob-state.ts'
import { azureError, isConditionNotMet } from './errors.ts'

export interface BlobReadOptions extends Omit<ReadOptions, 'version'> {
  /** The driver's path, for errors. */
  readonly path: string
  /** Required ETag; any if absent. */
  readonly etag?: string | undefined
  /** Number of successive retries of an interrupted response, and the delay before the first one. */
  readonly mostRetries?: number
  readonly retryDelay?: number
}

/** Reads a blob as it was at the first byte: if the response is interrupted, the rest is requested on the
 *  condition that the blob is the same. */
export class BlobRead {
  readonly #blob: BlobClient
  readonly #options: BlobReadOptions
  #etag: string | undefined
  #next: number
  #end: number | undefined
  #failures = 0

  constructor(blob: BlobClient, options: BlobReadOptions) {
    this.#blob = blob
    this.#options = options
    this.#etag = options.etag
    this.#next = options.range?.start ?? 0
    this.#end = options.range && options.range.end + 1
  }

  /** The blob's ETag, known once the first bytes have arrived. */
  get etag(): string {
    return requireEtag({ etag: this.#etag })
  }

  /** The bytes of the blob.
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID, also if the blob has another ETag; ABORTED, BUSY;
   *    BACKEND_FAILED, also if the blob was replaced or removed, and the rest is gone */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { path, range, signal } = this.#options
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start)) {
      throw new StorageError('OFFSET_INVALID', { path })
    }
    try {
      signal?.throwIfAborted()
      yield* this.#chunks()
    } catch (cause) {
      if (signal?.aborted === true) throw new StorageError('ABORTED', { path, cause: signal.reason })
      throw azureError(cause, path)
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    let body = await this.#open()
    for (;;) {
      try {
        for await (const chunk of body as AsyncIterable<Uint8Array>) {
          this.#next += chunk.byteLength
          this.#failures = 0
          yield chunk
          this.#options.signal?.throwIfAborted()
        }
        if (this.#next === this.#end) return
        throw new Error(`the answer ended ${this.#remaining} bytes early`)
      } catch (cause) {
        body = await this.#reopen(cause)
      }
    }
  }

  get #remaining(): number {
    return (this.#end ?? 0) - this.#next
  }

  async #open(): Promise<NodeJS.ReadableStream> {
    const { path, range } = this.#options
    const response = await this.#request(range)
    requireWhole(response, path)
    this.#etag = response.etag
    const length = response.contentLength ?? 0
    if (range !== undefined && length < this.#remaining) {
      abandon(response.readableStreamBody)
      throw new StorageError('OFFSET_INVALID', { path })
    }
    this.#end ??= length
    return response.readableStreamBody!
  }

  /** Requests the rest of an interrupted response, unless the caller has left or there were too many
   *  interruptions. */
  async #reopen(cause: unknown): Promise<NodeJS.ReadableStream> {
    const { path, signal, mostRetries = 0, retryDelay = 0 } = this.#options
    signal?.throwIfAborted()
    if (this.#failures >= mostRetries) throw new StorageError('BUSY', { path, cause })
    await delay(retryDelay * this.#failures++, undefined, { signal })
    try {
      const rest = await this.#request({ start: this.#next, end: (this.#end ?? 0) - 1 })
      return rest.readableStreamBody!
    } catch (error) {
      if (!isConditionNotMet(error) && azureError(error, path).code !== 'PATH_NOT_FOUND') throw error
      const message = `${path} was replaced or removed while it was read`
      throw new StorageError('BACKEND_FAILED', { path, message, cause: error })
    }
  }

  #request(range: ByteRange | undefined) {
    const { signal } = this.#options
    return this.#blob.download(range?.start ?? 0, range && range.end - range.start + 1, {
      // The SDK's own retries do not cover lost connections.
      maxRetryRequests: 0,
      ...(signal && { abortSignal: signal }),
      ...(this.#etag !== undefined && { conditions: { ifMatch: this.#etag } }),
    })
  }
}

function abandon(body: NodeJS.ReadableStream | undefined): void {
  if (body === undefined || !('destroy' in body) || typeof body.destroy !== 'function') return
  body.on('error', () => undefined)
  body.destroy()
}
