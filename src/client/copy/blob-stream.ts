import type { Descriptor } from '../../core/descriptor.ts'
import { Digester, hashAlgorithmOf } from '../../core/digest.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { ImageSource } from './image-store.ts'
import type { Retries } from './retries.ts'

/** A blob of a source, verified, from any of its bytes on. Lost connections are continued by a range. */
export class BlobStream {
  readonly #source: ImageSource
  readonly #descriptor: Descriptor
  readonly #retries: Retries
  readonly #signal: AbortSignal | undefined
  readonly #digester: Digester
  /** How many bytes the digest is of. */
  #digested = 0

  constructor(
    source: ImageSource,
    descriptor: Descriptor,
    { retries, signal }: { retries: Retries; signal: AbortSignal | undefined },
  ) {
    this.#source = source
    this.#descriptor = descriptor
    this.#retries = retries
    this.#signal = signal
    this.#digester = new Digester(hashAlgorithmOf(descriptor.digest))
  }

  /** May be called again after it was ended early.
   *  @throws UpstreamError INVALID at the end if the bytes are others than the digest's */
  async *from(start: number): AsyncGenerator<Uint8Array> {
    const { digest, size } = this.#descriptor
    let position = start
    for (let failures = 0; ; ) {
      try {
        const chunks = await this.#source.openBlob(digest, { start: position, signal: this.#signal })
        for await (const chunk of chunks) {
          this.#update(chunk, position)
          position += chunk.length
          failures = 0
          yield chunk
        }
        if (size > 0 && position < size) throw this.#lost(position)
        break
      } catch (error) {
        await this.#retries.pause(error, ++failures, this.#signal)
      }
    }
    this.#verify(position)
  }

  /** Each byte once. What is skipped by a start further on leaves the digest to the target. */
  #update(chunk: Uint8Array, position: number): void {
    const known = this.#digested - position
    if (known < 0 || known >= chunk.length) return
    this.#digester.update(known === 0 ? chunk : chunk.subarray(known))
    this.#digested += chunk.length - known
  }

  #verify(size: number): void {
    const { digest, size: stated } = this.#descriptor
    const isWhole = this.#digested === size
    const isRight = (stated === 0 || stated === size) && (!isWhole || this.#digester.digest() === digest)
    if (isRight) return
    throw new UpstreamError('INVALID', { message: `${this.#source.name} has other bytes as ${digest}` })
  }

  #lost(position: number): UpstreamError {
    const { digest, size } = this.#descriptor
    return new UpstreamError('UNREACHABLE', {
      message: `${this.#source.name}: ${digest} ended after ${position} of ${size} bytes`,
    })
  }
}
