/** The upstream of the mirrors: `node bench/mirror/upstream.ts [bytes per second]`. It serves one image from memory, says on
 *  its output where, and counts the bytes of blobs that it has sent. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { largeImage } from '../content.ts'

const LAYERS = 10
const LAYER_BYTES = 20 * 1024 ** 2
const PIECE_BYTES = 64 * 1024
const bytesPerSecond = Number(process.argv[2] ?? Infinity)

const image = largeImage(LAYERS, LAYER_BYTES)
const content = new Map([...image.blobs, image.manifest].map((one) => [one.digest, one]))
let sentBytes = 0

const server = createServer((request, response) => {
  if (request.url === '/sent') response.end(String(sentBytes))
  else if (request.url === '/v2/') response.end('{}')
  else serve(request, response)
})

function serve({ url = '', method, headers }: IncomingMessage, response: ServerResponse): void {
  const reference = url.slice(url.lastIndexOf('/') + 1)
  const found = content.get(reference === 'latest' ? image.manifest.digest : reference)
  if (found === undefined) {
    response.writeHead(404).end()
    return
  }
  const { bytes, digest, mediaType } = found
  const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
  const part = bytes.subarray(start)
  response.writeHead(headers.range ? 206 : 200, {
    'content-type': mediaType,
    'content-length': part.length,
    'docker-content-digest': digest,
    'docker-distribution-api-version': 'registry/2.0',
    ...(headers.range && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
  })
  if (method === 'HEAD') response.end()
  else if (bytesPerSecond === Infinity) response.end(part)
  else void sendOnLine(response, part)
  if (method === 'GET' && found !== image.manifest) sentBytes += part.length
}

/** When the line is free, by `performance.now()`. */
let freeAt = 0

/** Sends bytes over a line that all answers share. */
async function sendOnLine(response: ServerResponse, bytes: Buffer): Promise<void> {
  const closed = once(response, 'close')
  for (let sent = 0; sent < bytes.length && !response.destroyed; sent += PIECE_BYTES) {
    const piece = bytes.subarray(sent, sent + PIECE_BYTES)
    freeAt = Math.max(freeAt, performance.now()) + (piece.length / bytesPerSecond) * 1000
    const waitMs = freeAt - performance.now()
    if (waitMs > 1) await delay(waitMs)
    if (!response.write(piece)) await Promise.race([once(response, 'drain'), closed])
  }
  response.end()
}

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit())
