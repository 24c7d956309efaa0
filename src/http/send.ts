import type { ServerResponse } from 'node:http'
import type { ProgressFloor } from './progress-floor.ts'
import type { Reply } from './reply.ts'

/** Sends a reply. Fulfilled when the last byte of a stream was handed to the system, or the client has left. The head
 *  waits for a stream's first chunk, because a file that cannot be opened says so there.
 *  @throws whatever the body's source throws; nothing was sent yet when `headersSent` is false */
export async function sendReply(
  response: ServerResponse,
  { status, headers, body }: Reply,
  floor: ProgressFloor,
): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.writeHead(status, headers)
    sendWhole(response, body, floor)
    return
  }
  const wait = floor.watch(response.req.socket)
  for await (const chunk of body) {
    if (!response.headersSent) response.writeHead(status, headers)
    wait.begin(chunk.length)
    const taken = await write(response, chunk)
    wait.end()
    if (!taken) return
  }
  if (!response.headersSent) response.writeHead(status, headers)
  response.end()
}

function sendWhole(
  response: ServerResponse,
  body: string | Uint8Array | undefined,
  floor: ProgressFloor,
): void {
  response.end(body)
  const pendingBytes = response.writableLength
  if (pendingBytes === 0) return
  const wait = floor.watch(response.req.socket)
  wait.begin(pendingBytes)
  response.once('close', () => wait.end())
}

/** The chunk's memory is used again as soon as this is fulfilled. False when the connection is gone. */
function write(response: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    response.write(chunk, (error) => resolve(error === undefined || error === null))
  })
}
