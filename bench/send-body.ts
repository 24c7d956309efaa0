/** One request with a large body, over a socket of its own: what node:http does to every piece of a body costs as much as a
 *  server's work on it, and both run on the same cores. */
import { once } from 'node:events'
import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly location: string | undefined
}

/** Sends a body to a URL on this machine.
 *  @param body.length in bytes; without it, the pieces are framed as chunks of HTTP already */
export async function sendBody(
  method: 'PATCH' | 'PUT',
  url: URL,
  { pieces, length }: { pieces: Iterable<Buffer>; length?: number },
): Promise<RawAnswer> {
  const socket = connect({ port: Number(url.port), host: url.hostname })
  const answer = readAll(socket)
  const framing = length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`
  socket.write(
    `${method} ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n` +
      `Content-Type: application/octet-stream\r\n${framing}\r\n\r\n`,
  )
  for (const piece of pieces) if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), answer])
  return parseAnswer(await answer)
}

/** A body's bytes as docker frames them: in chunks of 32 KiB. */
export function frame(bytes: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES)
    frames.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
  }
  return Buffer.concat(frames)
}

/** The last chunk of a chunked body. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n')

const CHUNK_BYTES = 32 * 1024

async function readAll(socket: AsyncIterable<Buffer>): Promise<string> {
  const received: Buffer[] = []
  for await (const chunk of socket) received.push(chunk)
  return Buffer.concat(received).toString()
}

function parseAnswer(text: string): RawAnswer {
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]),
    location: /^location: *(\S+)/im.exec(text)?.[1],
  }
}
