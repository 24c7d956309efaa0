import { UpstreamError } from '../core/upstream/upstream-error.ts'
import type { UpstreamBlob } from '../core/upstream/upstream-registry.ts'
import { type Answer, transportError } from './transport.ts'

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
      chunks: chunksOf(answer, { ...wanted, skipped }),
    }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

async function* chunksOf(
  { body }: Answer,
  { start, end = Infinity, skipped, host, signal }: WantedBytes & { skipped: number },
): AsyncIterable<Uint8Array> {
  let toSkip = skipped
  let left = end - start + 1
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      const wanted = chunk.subarray(Math.min(toSkip, chunk.length)).subarray(0, left)
      toSkip -= Math.min(toSkip, chunk.length)
      left -= wanted.length
      if (wanted.length > 0) yield wanted
      if (left <= 0) return
    }
  } catch (cause) {
    throw transportError(cause, { host, signal })
  } finally {
    body.destroy()
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
