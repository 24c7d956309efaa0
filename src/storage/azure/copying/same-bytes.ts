/** True if both yield the same bytes, in any chunks. Stops at the first difference. */
export async function areSameBytes(
  one: AsyncIterable<Uint8Array>,
  other: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const theirs = new Taken(other)
  try {
    for await (const chunk of one) {
      if (!(await theirs.beginWith(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))))
        return false
    }
    return await theirs.areAtEnd()
  } finally {
    await theirs.release()
  }
}

/** Reads bytes in pieces of any length. */
class Taken {
  readonly #chunks: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** True if the next bytes are the expected ones. */
  async beginWith(expected: Buffer): Promise<boolean> {
    for (let taken = 0; taken < expected.length; ) {
      if (await this.areAtEnd()) return false
      const length = Math.min(this.#rest.byteLength, expected.length - taken)
      if (!expected.subarray(taken, taken + length).equals(this.#rest.subarray(0, length))) return false
      this.#rest = this.#rest.subarray(length)
      taken += length
    }
    return true
  }

  async areAtEnd(): Promise<boolean> {
    while (this.#rest.byteLength === 0) {
      const { done, value } = await this.#chunks.next()
      if (done === true) return true
      this.#rest = value
    }
    return false
  }

  async release(): Promise<void> {
    await this.#chunks.return?.()
  }
}
