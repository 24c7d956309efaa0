import { UpstreamError } from '../core/upstream/upstream-error.ts'
import type { ReceivedBytes, UpstreamBlob } from '../core/upstream/upstream-registry.ts'
import type { AnswerBody, TakeChunk } from './http/answer-body.ts'
import type { Answer } from './http/connections.ts'
import { transportError } from './transport.ts'

export interface WantedBytes {
  readonly start: number
  readonly end: number | undefined
  readonly host: string
  readonly signal: AbortSignal | undefined
}

/** The wanted bytes of an answer to a GET of a blob, whether or not its sender heeded the range.
 *  @throws UpstreamError INVALID for a part that begins elsewhere, and for encoded content */
export function blobOf(answer: Answer, wanted: WantedBytes): UpstreamBlob {
  try {
    const { headers, statusCode } = answer
    const encoding = headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity') throw invalid(`content that is encoded by ${encoding}`)
    const whole = statusCode === 200
    const size = whole
      ? numberIn(textOf(headers['content-length']))
      : sizeOfPart(textOf(headers['content-range']), wanted)
    const [tag = ''] = [headers.etag ?? ''].flat()
    const skipped = whole ? wanted.start : 0
    return {
      size,
      etag: tag.startsWith('"') ? tag : undefined,
      chunks: new BlobBytes(answer.body, wanted, skipped),
    }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

/** The wanted part of a body. */
class BlobBytes implements ReceivedBytes {
  readonly #body: AnswerBody
  readonly #wanted: WantedBytes
  #toSkip: number
  #left: number

  constructor(body: AnswerBody, wanted: WantedBytes, skipped: number) {
    this.#body = body
    this.#wanted = wanted
    this.#toSkip = skipped
    this.#left = (wanted.end ?? Infinity) - wanted.start + 1
  }

  async passTo(take: TakeChunk): Promise<void> {
    try {
      await this.#body.passTo((chunk) => {
        const wanted = this.#cut(chunk)
        const room = wanted.length > 0 ? take(wanted) : undefined
        if (this.#left <= 0) this.#body.destroy()
        return room
      })
    } catch (cause) {
      throw transportError(cause, this.#wanted)
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const chunks = this.#chunks()
    return {
      next: () => chunks.next(),
      return: () => {
        this.#body.destroy() // also if nothing was read yet
        return chunks.return(undefined)
      },
    }
  }

  async *#chunks(): AsyncGenerator<Uint8Array, undefined> {
    try {
      for await (const chunk of this.#body) {
        const wanted = this.#cut(chunk)
        if (wanted.length > 0) yield wanted
        if (this.#left <= 0) return
      }
    } catch (cause) {
      throw transportError(cause, this.#wanted)
    }
  }

  #cut(chunk: Uint8Array): Uint8Array {
    const isWhole = this.#toSkip === 0 && chunk.length <= this.#left
    const wanted = isWhole
      ? chunk
      : chunk.subarray(Math.min(this.#toSkip, chunk.length)).subarray(0, this.#left)
    this.#toSkip -= Math.min(this.#toSkip, chunk.length)
    this.#left -= wanted.length
    return wanted
  }
}

/** RFC 9110 section 14.4. */
function sizeOfPart(range: string | undefined, { start }: WantedBytes): number | undefined {
  const [, first, size] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(range ?? '') ?? []
  if (first === undefined || Number(first) !== start) throw invalid(`another part than from byte ${start}`)
  return numberIn(size)
}

function textOf(value: string | string[] | undefined): string | undefined {
  return [value].flat()[0]
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function invalid(what: string): UpstreamError {
  return new UpstreamError('INVALID', { message: `the upstream answered with ${what}` })
}
