const CHUNK_BYTES = 64 * 1024
const NEW_LINE = 0x0a

/** Lines that wait as bytes. As strings they would cost more: each short garbage collection copies those that wait,
 *  with all the parts that they were put together from. */
export class LineBuffer {
  /** Earlier bytes than those of the last chunk. Each ends with a whole line. */
  readonly #earlier: Buffer[] = []
  #chunk = Buffer.alloc(0)
  /** The waiting part of the last chunk. */
  #start = 0
  #end = 0
  #byteLength = 0

  get byteLength(): number {
    return this.#byteLength
  }

  /** @param line with its line end */
  append(line: string): void {
    const most = 3 * line.length // no character of UTF-16 takes more bytes
    if (this.#chunk.length - this.#end < most) this.#begin(Math.max(most, CHUNK_BYTES))
    const byteCount = this.#chunk.write(line, this.#end)
    this.#end += byteCount
    this.#byteLength += byteCount
  }

  /** Takes the first lines: as many whole ones as `maxBytes` has room for, at least one. Empty if none waits. */
  take(maxBytes: number): Uint8Array {
    const first = this.#earlier.shift() ?? this.#takeLast()
    const taken = first.length <= maxBytes ? first : first.subarray(0, endOfLines(first, maxBytes))
    if (taken.length < first.length) this.#earlier.unshift(first.subarray(taken.length))
    this.#byteLength -= taken.length
    return taken
  }

  /** Takes everything. */
  takeAll(): Uint8Array {
    const all = Buffer.concat([...this.#earlier.splice(0), this.#takeLast()])
    this.#byteLength = 0
    return all
  }

  #takeLast(): Buffer {
    const last = this.#chunk.subarray(this.#start, this.#end)
    this.#start = this.#end
    return last
  }

  #begin(byteCount: number): void {
    const last = this.#takeLast()
    if (last.length > 0) this.#earlier.push(last)
    this.#chunk = Buffer.allocUnsafeSlow(byteCount)
    this.#start = this.#end = 0
  }
}

function endOfLines(bytes: Buffer, maxBytes: number): number {
  const last = bytes.lastIndexOf(NEW_LINE, maxBytes - 1)
  return 1 + (last === -1 ? bytes.indexOf(NEW_LINE, maxBytes) : last) || bytes.length
}
