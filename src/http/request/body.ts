import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RegistryError } from '../../core/errors.ts'
import type { SharedMemory } from '../../lib/shared-memory/shared-memory.ts'
import { type DirectBody, directBodyOf } from '../connection/direct/direct-body.ts'
import type { StallDetector } from '../connection/stall-detector.ts'

/** Limit for reading an unwanted body, so that the client sees the response instead of a reset. */
const MAX_UNWANTED_BYTES = 8 * 1024 * 1024
const MAX_UNWANTED_SECONDS = 10
/** Time for a client that sends more than that to read the response. */
const ANSWER_READ_SECONDS = 2

/** The body of a request. A client that expects `100 Continue` (RFC 9110 section 10.1.1) gets it when the
 *  first byte is requested, so a request that is rejected before never sends its body.
 *  @param options.memory where it arrives, as far as possible
 *  @throws RegistryError SIZE_INVALID if the client leaves before the end */
export async function* requestBody(
  request: IncomingMessage,
  response: ServerResponse,
  { stallDetector, memory }: { stallDetector: StallDetector; memory?: SharedMemory | undefined },
): AsyncIterable<Uint8Array> {
  if (request.headers.expect !== undefined && awaitsContinue(request)) response.writeContinue()
  const wait = stallDetector.watch(request.socket)
  const direct = directBodyOf(request)
  if (memory !== undefined) direct?.receiveInto(memory)
  // Left open if reading ends early: the response still needs the connection.
  const chunks = direct === undefined ? request.iterator({ destroyOnReturn: false }) : undefined
  try {
    for (;;) {
      wait.begin()
      const chunk: Uint8Array | undefined = direct ? await direct.next() : (await chunks?.next())?.value
      wait.end(chunk?.length)
      if (chunk === undefined) return
      yield chunk
    }
  } catch (cause) {
    throw new RegistryError('SIZE_INVALID', { message: 'the request ended before its body', cause })
  } finally {
    wait.end()
    await chunks?.return?.()
  }
}

/** True if the client expects `100 Continue`. RFC 9110 section 10.1.1: HTTP/1.0 has no expectations; others
 *  are unknown.
 *  @throws RegistryError EXPECTATION_FAILED */
export function awaitsContinue({ headers, httpVersion }: IncomingMessage): boolean {
  if (headers.expect === undefined || httpVersion === '1.0') return false
  if (headers.expect.toLowerCase() === '100-continue') return true
  throw new RegistryError('EXPECTATION_FAILED')
}

/** True if the client expects `100 Continue` and has not got it, so it will send no body. */
export function holdsBodyBack({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.expect !== undefined && httpVersion !== '1.0'
}

/** True if the request has a body. RFC 9112 section 6.3. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** True if the client has not sent all of the body, as far as was read. */
export function isIncomplete(request: IncomingMessage): boolean {
  const direct = directBodyOf(request)
  const isComplete = direct === undefined ? request.complete : direct.isComplete
  return !isComplete && hasBody(request)
}

/** Reads a small body.
 *  @throws the error of `tooLarge` if it exceeds `maxBytes` */
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

/** Reads the rest of a body after the response, up to a limit, then waits a moment and closes the connection.
 *  Closing at once would reset it, and a client that is still sending would not see the response. */
export function discardBody(request: IncomingMessage): void {
  const direct = directBodyOf(request)
  if (direct !== undefined) {
    void discardDirectBody(direct, request.socket)
    return
  }
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

async function discardDirectBody(body: DirectBody, socket: Socket): Promise<void> {
  let timer = setTimeout(() => socket.destroy(), MAX_UNWANTED_SECONDS * 1000)
  socket.once('close', () => clearTimeout(timer))
  const isAll = await body.discard(MAX_UNWANTED_BYTES).catch(() => true)
  clearTimeout(timer)
  if (!isAll) timer = setTimeout(() => socket.destroy(), ANSWER_READ_SECONDS * 1000)
}
