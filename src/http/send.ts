import type { ServerResponse } from 'node:http'
import type { ProgressFloor } from './progress-floor.ts'
import type { Reply } from './reply.ts'

/** Sends a reply whose status and headers the caller has written into the response. Fulfilled when the last byte of a
 *  stream was handed to the system, or the client has left.
 *  @throws whatever the body's source throws; nothing was sent yet when `headersSent` is false */
export async function sendBody(
  response: ServerResponse,
  body: Reply['body'],
  floor: ProgressFloor,
): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    sendWhole(response, body, floor)
    return
  }
  const wait = floor.watch(response.req.socket)
  for await (const chunk of body) {
    wait.begin(chunk.length)
    const taken = await write(response, chunk)
    wait.end()
    if (!taken) return
  }
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
