import type { IncomingMessage, ServerResponse } from 'node:http'
import { RegistryError } from '../../core/errors.ts'
import type { StallDetector } from '../connection/stall-detector.ts'

/** How much of a body that nobody wants is still read, so that the client sees the answer instead of a reset. */
const MAX_UNWANTED_BYTES = 8 * 1024 * 1024
const MAX_UNWANTED_SECONDS = 10
/** How long a client that sends more than that has to read the answer. */
const ANSWER_READ_SECONDS = 2

/** The body of a request. A client that waits for leave to send (RFC 9110 section 10.1.1) gets it when the first byte
 *  is asked for: a request that is refused before that never sends its body.
 *  @throws RegistryError SIZE_INVALID when the client leaves before the end */
export async function* requestBody(
  request: IncomingMessage,
  response: ServerResponse,
  stallDetector: StallDetector,
): AsyncIterable<Uint8Array> {
  if (request.headers.expect !== undefined && awaitsContinue(request)) response.writeContinue()
  const wait = stallDetector.watch(request.socket)
  // Left open on an early end: the answer still has to go out over this connection.
  const chunks = request.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      wait.begin()
      const next = await chunks.next()
      wait.end(next.done ? 0 : next.value.length)
      if (next.done) return
      yield next.value
    }
  } catch (cause) {
    throw new RegistryError('SIZE_INVALID', { message: 'the request ended before its body did', cause })
  } finally {
    wait.end()
    await chunks.return?.()
  }
}

/** Whether the client waits for leave to send its body. RFC 9110 section 10.1.1: in HTTP/1.0 nothing is expected, and
 *  nobody knows another expectation.
 *  @throws RegistryError EXPECTATION_FAILED */
export function awaitsContinue({ headers, httpVersion }: IncomingMessage): boolean {
  if (headers.expect === undefined || httpVersion === '1.0') return false
  if (headers.expect.toLowerCase() === '100-continue') return true
  throw new RegistryError('EXPECTATION_FAILED')
}

/** Whether a client that waits for leave to send got none so far, and will send nothing. */
export function holdsBodyBack({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion !== '1.0'
}

/** RFC 9112 section 6.3. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** A small body, whole.
 *  @throws what `tooLarge` makes when there is more than `maxBytes` of it */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  { maxBytes, tooLarge }: { maxBytes: number; tooLarge: () => Error },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, size)
}

/** Reads what is left of a body after the answer has gone out, up to a limit, then waits a moment and ends the connection.
 *  Ending it at once would reset it, and a client that is still sending would report that in place of the answer. */
export function discardBody(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  let timer = setTimeout(() => request.destroy(), MAX_UNWANTED_SECONDS * 1000)
  let size = 0
  request.on('data', (chunk: Uint8Array) => {
    size += chunk.length
    if (size <= MAX_UNWANTED_BYTES || request.isPaused()) return
    request.pause()
    clearTimeout(timer)
    timer = setTimeout(() => request.destroy(), ANSWER_READ_SECONDS * 1000)
  })
  request.on('close', () => clearTimeout(timer))
}
