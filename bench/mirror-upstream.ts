/** The upstream of the mirrors: `node bench/mirror-upstream.ts`. It serves one image from memory, says on its output
 *  where, and counts the bytes of blobs that it has sent. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { largeImage } from './content.ts'

const LAYERS = 10
const LAYER_BYTES = 20 * 1024 ** 2

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
  else response.end(part)
  if (method === 'GET' && found !== image.manifest) sentBytes += part.length
}

server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('disconnect', () => process.exit())
