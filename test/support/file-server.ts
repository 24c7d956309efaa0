import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { startAnswering } from './answering-server.ts'

/** A plain web server over a folder, as one stands beside a registry or behind a CDN: it knows of files only. */
export interface FileServer extends AsyncDisposable {
  readonly url: string
  /** What it was asked for, in the order it came: `GET /a/file`. */
  readonly asked: readonly string[]
}

/** @param below the path that the folder stands below, such as `/files` */
export async function startFileServer(folder: string, below = ''): Promise<FileServer> {
  const asked: string[] = []
  const server = await startAnswering(({ method, url = '' }, response) => {
    asked.push(`${method} ${url}`)
    const path = url.startsWith(`${below}/`) ? join(folder, url.slice(below.length)) : ''
    void sendFile(path, response)
  })
  return Object.assign(server, { asked })
}

async function sendFile(path: string, response: ServerResponse): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return void response.writeHead(404).end()
  response.writeHead(200, { 'content-length': found.size })
  // A client that has enough leaves; the file is then closed, and that is all.
  await pipeline(createReadStream(path), response).catch(() => {})
}
