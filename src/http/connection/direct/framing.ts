/** How the bytes of a body are told from what follows them on a connection. RFC 9112 section 6. */
export interface Framing {
  /** True once the body has ended. */
  readonly isComplete: boolean
  /** What followed the body. */
  readonly rest: Buffer
  /** Takes received bytes and returns those of the body, which it moves together in their place: one part of the memory is passed on
   *  faster than many.
   *  @throws FramingError */
  take(received: Buffer): Buffer
}

/** The bytes are not framed as RFC 9112 section 7.1 says. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
  readonly code = 'HPE_INVALID_CHUNK'
}

const NOTHING = Buffer.alloc(0)

/** A body with a `Content-Length`. */
export class LengthFraming implements Framing {
  rest: Buffer = NOTHING
  #missing: number

  /** @param length in bytes */
  constructor(length: number) {
    this.#missing = length
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  take(received: Buffer): Buffer {
    const isMore = received.length > this.#missing
    const content = isMore ? received.subarray(0, this.#missing) : received
    if (isMore) this.rest = received.subarray(content.length)
    this.#missing -= content.length
    return content
  }
}

/** Limits of what is not content, as Node's own parser has them. */
const MAX_EXTENSION_BYTES = 16 * 1024
const MAX_TRAILER_BYTES = 16 * 1024
/** Hexadecimal digits of the largest size of a chunk. */
const MAX_SIZE_DIGITS = 13

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09
const SPACE = 0x20
const DELETE = 0x7f
const SEMICOLON = 0x3b

type State =
  | 'size'
  | 'extension'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer'
  | 'trailer-line'
  | 'trailer-lf'
  | 'end-lf'
  | 'complete'

/** A body in chunks. RFC 9112 section 7.1. Extensions and trailers are read over. */
export class ChunkedFraming implements Framing {
  rest: Buffer = NOTHING
  #state: State = 'size'
  /** Of the chunk's size so far. */
  #digits = 0
  /** Bytes of the chunk that are missing. */
  #missing = 0
  /** Bytes of the extensions of a chunk, or of all trailers. */
  #besides = 0

  get isComplete(): boolean {
    return this.#state === 'complete'
  }

  take(received: Buffer): Buffer {
    let begin = 0
    let end = 0
    let at = 0
    while (at < received.length && this.#state !== 'complete') {
      if (this.#state === 'data') {
        const next = Math.min(received.length, at + this.#missing)
        this.#missing -= next - at
        if (end === begin) begin = end = at
        else received.copyWithin(end, at, next)
        end += next - at
        at = next
        if (this.#missing === 0) this.#state = 'data-cr'
      } else {
        this.#state = this.#next(received[at++] as number)
      }
    }
    if (at < received.length) this.rest = received.subarray(at)
    return received.subarray(begin, end)
  }

  /** The state after a byte that is not content. */
  #next(byte: number): State {
    switch (this.#state) {
      case 'size':
        return this.#afterSize(byte)
      case 'extension':
        return this.#afterExtension(byte)
      case 'size-lf':
        return this.#afterSizeLine(byte)
      case 'data-cr':
        return expected(byte === CR, 'data-lf')
      case 'data-lf':
        return expected(byte === LF, 'size')
      case 'trailer':
        return byte === CR ? 'end-lf' : this.#afterTrailer(byte)
      case 'trailer-line':
        return byte === CR ? 'trailer-lf' : this.#afterTrailer(byte)
      case 'trailer-lf':
        return expected(byte === LF, 'trailer')
      default:
        return expected(byte === LF, 'complete')
    }
  }

  #afterSize(byte: number): State {
    const digit = hexadecimal(byte)
    if (digit !== undefined) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw new FramingError('the size of a chunk is too large')
      this.#missing = this.#missing * 16 + digit
      return 'size'
    }
    if (this.#digits === 0) throw new FramingError('a chunk has no size')
    this.#besides = 0
    if (byte === CR) return 'size-lf'
    return expected(byte === SEMICOLON, 'extension')
  }

  #afterExtension(byte: number): State {
    if (byte === CR) return 'size-lf'
    if (++this.#besides > MAX_EXTENSION_BYTES)
      throw new FramingError('the extensions of a chunk are too long')
    return expected(isText(byte), 'extension')
  }

  #afterSizeLine(byte: number): State {
    this.#digits = 0
    this.#besides = 0
    return expected(byte === LF, this.#missing === 0 ? 'trailer' : 'data')
  }

  #afterTrailer(byte: number): State {
    if (++this.#besides > MAX_TRAILER_BYTES) throw new FramingError('the trailers are too long')
    return expected(isText(byte), 'trailer-line')
  }
}

function expected(isSo: boolean, next: State): State {
  if (isSo) return next
  throw new FramingError('a chunk is not framed as it should be')
}

/** True for what a line may contain. RFC 9110 section 5.5. */
function isText(byte: number): boolean {
  return byte === TAB || (byte >= SPACE && byte !== DELETE)
}

function hexadecimal(byte: number): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : undefined
}
