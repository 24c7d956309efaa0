import type { ServerResponse } from 'node:http'
import type { StallDetector } from '../connection/stall-detector.ts'
import type { StreamedReply, WholeReply } from './reply.ts'

export function sendWhole(
  response: ServerResponse,
  { status, headers, body }: WholeReply,
  stallDetector: StallDetector,
): void {
  response.writeHead(status, headers)
  response.end(body)
  const pendingBytes = response.writableLength
  if (pendingBytes === 0) return
  const wait = stallDetector.watch(response.req.socket)
  wait.begin(pendingBytes)
  response.once('close', () => wait.end())
}

/** Resolves when all is written or the client has gone. The head waits for the first chunk, so opening errors
 *  keep their status.
 *  @throws the errors of the body's source; nothing was sent if `headersSent` is false */
export async function sendStream(
  response: ServerResponse,
  { status, headers, body }: StreamedReply,
  stallDetector: StallDetector,
): Promise<void> {
  const wait = stallDetector.watch(response.req.socket)
  const write = writerTo(response)
  for await (const chunk of body) {
    if (!response.headersSent) response.writeHead(status, headers)
    wait.begin(chunk.length)
    const taken = await write(chunk)
    wait.end()
    if (!taken) return
  }
  if (!response.headersSent) response.writeHead(status, headers)
  response.end()
}

/** Writes one chunk at a time. Resolves once the chunk's memory may be reused; to false if the connection has
 *  closed. */
function writerTo(response: ServerResponse): (chunk: Uint8Array) => Promise<boolean> {
  let settle: ((isTaken: boolean) => void) | undefined
  // Node may never report a write to an encrypted connection that was reset. An HTTP/2 stream may close while
  // its connection still reads the chunk, but its writes are always reported.
  if (response.req.httpVersionMajor === 1) response.once('close', () => settle?.(false))
  return (chunk) =>
    new Promise((resolve) => {
      settle = resolve
      response.write(chunk, (error) => resolve(error === undefined || error === null))
    })
}
