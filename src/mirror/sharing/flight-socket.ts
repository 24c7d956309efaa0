/** The protocol between workers. The one that reads sends the first byte's position in a line. The owner answers with
 *  a line of JSON, its size or an error, and then the bytes. */
import { connect, type Socket } from 'node:net'
import { UpstreamError, type UpstreamErrorCode } from '../../core/upstream/upstream-error.ts'
import type { UpstreamBlob } from '../../core/upstream/upstream-registry.ts'

type Head =
  | { readonly size: number }
  | {
      readonly code: UpstreamErrorCode
      readonly message: string
      readonly status?: number
      readonly retryAfterMs?: number
    }

const MAX_LINE_BYTES = 64 * 1024
const NEWLINE = 0x0a

/** The bytes from `start` on, as the owner of the flight receives them. Undefined if nobody serves them.
 *  @throws UpstreamError that of the owner; the signal's reason */
export async function readFromOwner(
  path: string,
  start: number,
  signal: AbortSignal,
): Promise<UpstreamBlob | undefined> {
  const socket = connect(path)
  const abort = () => socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', abort))
  socket.on('error', () => {}) // seen as an end
  socket.write(`${start}\n`)
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const first = await receiveLine(chunks)
  signal.throwIfAborted()
  if (first === undefined) return undefined
  const head = JSON.parse(first.line) as Head
  if ('size' in head)
    return {
      size: head.size,
      etag: undefined,
      chunks: endingWith(socket, bytesOf(first.rest, chunks, socket)),
    }
  socket.destroy()
  const { code, ...options } = head
  throw new UpstreamError(code, options)
}

/** The position that the other worker asks for. */
export async function receiveStart(socket: Socket): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let received = ''
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
    if (received.endsWith('\n')) resolve(Number(received))
    else if (received.length > MAX_LINE_BYTES) socket.destroy()
  })
  socket.once('close', () => reject(new Error('the other worker has gone')))
  return promise
}

/** @returns false if the other worker has gone */
export function sendHead(socket: Socket, size: number): Promise<boolean> {
  return write(socket, `${JSON.stringify({ size })}\n`)
}

/** Tells a failure before the first byte. After it, only the connection can end. */
export function sendError(socket: Socket, error: unknown): void {
  if (socket.bytesWritten > 0 || !(error instanceof UpstreamError)) {
    socket.destroy()
    return
  }
  const { code, message, status, retryAfterMs } = error
  socket.end(`${JSON.stringify({ code, message, status, retryAfterMs })}\n`)
}

/** Resolves once the chunk's memory may be reused; to false if the other worker has gone. */
export function write(socket: Socket, chunk: Uint8Array | string): Promise<boolean> {
  return new Promise((resolve) => {
    socket.write(chunk, (error) => resolve(error === undefined || error === null))
  })
}

/** Undefined if the connection ends before the line does. */
async function receiveLine(
  chunks: AsyncIterator<Buffer>,
): Promise<{ line: string; rest: Buffer } | undefined> {
  let received = Buffer.alloc(0)
  try {
    for (let step = await chunks.next(); !step.done; step = await chunks.next()) {
      received = Buffer.concat([received, step.value])
      const end = received.indexOf(NEWLINE)
      if (end >= 0) return { line: received.toString('utf8', 0, end), rest: received.subarray(end + 1) }
      if (received.length > MAX_LINE_BYTES) return undefined
    }
  } catch {
    // It was refused, or reset.
  }
  return undefined
}

/** A generator that has not begun would not end the connection. */
function endingWith(socket: Socket, chunks: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  const end = (): Promise<IteratorResult<Uint8Array>> => {
    socket.destroy()
    return chunks.return(undefined)
  }
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next(), return: end }) }
}

/** A connection that breaks ends like one that is complete: the flight compares sizes. */
async function* bytesOf(
  rest: Buffer,
  chunks: AsyncIterator<Buffer>,
  socket: Socket,
): AsyncGenerator<Uint8Array> {
  try {
    if (rest.length > 0) yield rest
    for (let step = await chunks.next(); !step.done; step = await chunks.next()) yield step.value
  } catch (cause) {
    throw new UpstreamError('UNREACHABLE', { message: 'the worker that fetches the blob has ended', cause })
  } finally {
    socket.destroy()
  }
}
