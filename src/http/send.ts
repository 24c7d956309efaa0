import type { ServerResponse } from 'node:http'
import type { ProgressFloor } from './progress-floor.ts'
import type { Reply } from './reply.ts'

/** Sends a reply whose status and headers the caller has written into the response. Fulfilled when the last byte was
 *  handed to the system, or the client has left.
 *  @throws whatever the body's source throws; nothing was sent yet when `headersSent` is false */
export async function sendBody(
  response: ServerResponse,
  body: Reply['body'],
  floor: ProgressFloor,
): Promise<void> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
    return
  }
  const wait = floor.watch(response.socket!)
  for await (const chunk of body) {
    wait.begin(chunk.length)
    const taken = await write(response, chunk)
    wait.end()
    if (!taken) return
  }
  response.end()
}

/** The chunk's memory is used again as soon as this is fulfilled. False when the connection is gone. */
function write(response: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    response.write(chunk, (error) => resolve(error === undefined || error === null))
  })
}
