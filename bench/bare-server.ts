/** The limit to compare with: `node:http` and nothing around it. It takes pushes as a registry does (hash, write,
 *  `fdatasync`) and answers pulls with the headers and bytes of a registry, but it parses no names, asks no one's
 *  rights, has no links, and forgets everything when it ends.
 *
 *  Usage: `node bench/bare-server.ts <folder> <port>` */
import { createHash, type Hash, randomUUID } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { sendFile } from './bare-send-file.ts'

/** Content up to this size is answered from memory, larger content from its file. */
const maxInMemoryBytes = 128 * 1024
/** Received bytes are handed to the disk in one `writev` of about this size. */
const writeBytes = 1024 * 1024

interface Entry {
  readonly headers: string[]
  readonly size: number
  readonly path: string
  readonly content?: Buffer
}
interface Upload {
  readonly path: string
  readonly file: FileHandle
  readonly hash: Hash
  size: number
}

const [folder, port] = process.argv.slice(2)
const entries = new Map<string, Entry>()
const uploads = new Map<string, Upload>()

function answerPull(request: IncomingMessage, response: ServerResponse): void {
  const entry = entries.get(request.url!)
  if (entry === undefined) {
    reply(response, request.url === '/v2/' ? 200 : 404)
    return
  }
  response.writeHead(200, entry.headers)
  if (request.method === 'HEAD') response.end()
  else if (entry.content) response.end(entry.content)
  else sendFile(entry.path, entry.size, response).catch(() => response.destroy())
}

async function answerPush(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://bare')
  const [, repository, kind, id] = /^\/v2\/(.+)\/(blobs|manifests)\/(.+)$/.exec(url.pathname) ?? []
  if (kind === undefined || id === undefined) return reply(response, 404)
  if (kind === 'manifests') return answerManifest(request, response, `/v2/${repository}/manifests/${id}`)
  if (request.method === 'POST') {
    return reply(response, 202, ['Location', url.pathname + (await beginUpload())])
  }
  const uploadId = id.replace('uploads/', '')
  const upload = uploads.get(uploadId)
  if (upload === undefined) return reply(response, 404)
  await receive(request, upload)
  if (request.method === 'PATCH') {
    return reply(response, 202, ['Location', url.pathname, 'Range', `0-${upload.size - 1}`])
  }
  uploads.delete(uploadId)
  const digest = url.searchParams.get('digest')!
  if ((await finish(upload)) !== digest) return reply(response, 400)
  const location = `/v2/${repository}/blobs/${digest}`
  entries.set(location, await makeEntry(upload, digest, 'application/octet-stream'))
  reply(response, 201, ['Location', location, 'Docker-Content-Digest', digest])
}

async function answerManifest(
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
): Promise<void> {
  const upload = uploads.get(await beginUpload())!
  await receive(request, upload)
  const digest = await finish(upload)
  const entry = await makeEntry(upload, digest, request.headers['content-type']!)
  const location = url.replace(/[^/]+$/, digest)
  entries.set(url, entry)
  entries.set(location, entry)
  reply(response, 201, ['Location', location, 'Docker-Content-Digest', digest])
}

/** Opens a new file to receive into and returns the id of its upload. */
async function beginUpload(): Promise<string> {
  const id = randomUUID()
  const path = `${folder}/${id}`
  uploads.set(id, { path, file: await open(path, 'a+'), hash: createHash('sha256'), size: 0 })
  return id
}

/** Appends the request's body: the thread hashes the next bytes while the disk takes the ones before. */
async function receive(request: IncomingMessage, upload: Upload): Promise<void> {
  const sizeBefore = upload.size
  let pending: Buffer[] = []
  let pendingBytes = 0
  let write: Promise<unknown> = Promise.resolve()
  for await (const chunk of request as AsyncIterable<Buffer>) {
    upload.hash.update(chunk)
    upload.size += chunk.length
    pending.push(chunk)
    pendingBytes += chunk.length
    if (pendingBytes < writeBytes) continue
    await write
    write = upload.file.writev(pending)
    pending = []
    pendingBytes = 0
  }
  await write
  if (pendingBytes > 0) await upload.file.writev(pending)
  if (upload.size > sizeBefore) await upload.file.datasync()
}

/** Closes the upload and returns the digest of its bytes. */
async function finish(upload: Upload): Promise<string> {
  await upload.file.close()
  return `sha256:${upload.hash.digest('hex')}`
}

async function makeEntry(upload: Upload, digest: string, mediaType: string): Promise<Entry> {
  const { path, size } = upload
  const headers = [
    ...['Accept-Ranges', 'bytes', 'Cache-Control', 'max-age=31536000', 'Content-Length', `${size}`],
    ...['Content-Type', mediaType, 'Docker-Content-Digest', digest, 'ETag', `"${digest}"`],
    ...['Docker-Distribution-Api-Version', 'registry/2.0', 'X-Content-Type-Options', 'nosniff'],
    ...['Content-Security-Policy', 'sandbox', 'X-Request-Id', randomUUID()],
  ]
  if (size > maxInMemoryBytes) return { headers, size, path }
  await using file = await open(path)
  return { headers, size, path, content: await file.readFile() }
}

function reply(response: ServerResponse, status: number, headers: string[] = []): void {
  response.writeHead(status, ['Content-Length', '0', ...headers]).end()
}

createServer((request, response) => {
  if (request.method === 'GET' || request.method === 'HEAD') answerPull(request, response)
  else answerPush(request, response).catch(() => response.destroy())
}).listen(Number(port), '127.0.0.1')
