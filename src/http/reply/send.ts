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

/** Fulfilled when the last byte was handed to the system, or the client has left. The head waits for the first chunk,
 *  because a file that cannot be opened says so there.
 *  @throws whatever the body's source throws; nothing was sent yet when `headersSent` is false */
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

/** Writes one chunk at a time. The chunk's memory is used again as soon as the promise resolves: to false if the connection is
 *  gone. */
function writerTo(response: ServerResponse): (chunk: Uint8Array) => Promise<boolean> {
  let settle: ((isTaken: boolean) => void) | undefined
  // Node may never report a write to an encrypted connection that is reset meanwhile. A stream of HTTP/2 closes while its
  // connection may still read the chunk; its writes are always reported.
  if (response.req.httpVersionMajor === 1) response.once('close', () => settle?.(false))
  return (chunk) =>
    new Promise((resolve) => {
      settle = resolve
      response.write(chunk, (error) => resolve(error === undefined || error === null))
    })
}
