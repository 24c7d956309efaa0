import { TarError } from './header.ts'

/** Reads bytes that arrive in chunks piece by piece. A chunk is used only until the next one is requested. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** A copy of the next bytes. Undefined at the end.
   *  @throws TarError if the end comes before the last of them */
  async read(length: number): Promise<Buffer | undefined> {
    const bytes = Buffer.allocUnsafe(length)
    let filled = 0
    for await (const piece of this.pieces(length, { mayEnd: true })) {
      bytes.set(piece, filled)
      filled += piece.length
    }
    if (filled === length) return bytes
    if (filled === 0) return undefined
    throw cutOff()
  }

  /** The next bytes, as they are in the chunks.
   *  @param options.mayEnd true if there may be fewer. Default: false
   *  @throws TarError if there are fewer */
  async *pieces(length: number, { mayEnd = false } = {}): AsyncIterable<Uint8Array> {
    for (let missing = length; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#fill())) {
        if (mayEnd) return
        throw cutOff()
      }
      const piece = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(piece.length)
      missing -= piece.length
      yield piece
    }
  }

  async skip(length: number): Promise<void> {
    for await (const _ of this.pieces(length));
  }

  /** No more is read. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #fill(): Promise<boolean> {
    const next = await this.#chunks.next()
    if (next.done === true) return false
    this.#rest = next.value
    return true
  }
}

function cutOff(): TarError {
  return new TarError('is cut off')
}
