/** Bodies that arrive by large reads, over plain and encrypted connections: whole, in large pieces, and in memory that is used
 *  again. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setImmediate as immediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeCertificate } from '../../../test/support/certificates.ts'
import type { AnswerBody } from './answer-body.ts'
import { recycle } from './large-reads.ts'
import { openUndiciConnections } from './undici-connections.ts'

const MIB = 1024 ** 2
const RECORD_BYTES = 16 * 1024
const TIMING = { connectMs: 5_000, headMs: 5_000, bodyMs: 5_000 }
const content = randomBytes(8 * MIB)

/** `/<size>` answers that many bytes; `?close` without saying how many, so that the end of the connection ends them. */
function answer({ url = '' }: { url?: string }, response: Pick<ServerResponse, 'writeHead' | 'end'>): void {
  const [size = '', close] = url.slice(1).split('?')
  const bytes = content.subarray(0, Number(size))
  response.writeHead(200, close === undefined ? { 'content-length': bytes.length } : { connection: 'close' })
  response.end(bytes)
}

const kinds: [string, (tls: { cert: string; key: string }) => Server][] = [
  ['plain', () => createServer((request: IncomingMessage, response) => answer(request, response))],
  ['encrypted', (tls) => createTlsServer(tls, (request, response) => answer(request, response))],
  [
    'HTTP/2',
    (tls) =>
      createSecureServer({ ...tls, allowHTTP1: true, maxSessionMemory: 100 }, (request, response) =>
        answer(request, response as unknown as ServerResponse),
      ) as unknown as Server,
  ],
]

describe.each(kinds)('%s connections', (kind, open) => {
  let server: Server
  let origin: string
  const connections = openUndiciConnections({ tls: { rejectUnauthorized: false }, timing: TIMING })
  beforeAll(async () => {
    const { pem: cert, privateKey } = await makeCertificate({
      ca: true,
      alternativeNames: [{ type: 'ip', value: '127.0.0.1' }],
    })
    server = open({ cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    origin = `${kind === 'plain' ? 'http' : 'https'}://127.0.0.1:${port}`
  })
  afterAll(async () => {
    await connections.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  const get = async (path: string): Promise<AnswerBody> => {
    const { body } = await connections.send({ method: 'GET', url: new URL(path, origin), headers: {} })
    return body
  }

  test.each([0, 1, RECORD_BYTES, 8 * RECORD_BYTES, MIB, MIB + 1])('a body of %i bytes', async (size) => {
    for (const end of kind === 'HTTP/2' ? [''] : ['', '?close'])
      expect((await buffer(await get(`/${size}${end}`))).equals(content.subarray(0, size))).toBe(true)
  })

  test('bodies that are taken at once and slowly, in memory that is used again', async () => {
    const expected = createHash('sha256').update(content).digest('hex')
    const take = async (isSlow: boolean) => {
      const hash = createHash('sha256')
      await (await get(`/${content.length}`)).passTo((chunk) => {
        hash.update(chunk)
        return isSlow ? immediate() : undefined
      })
      return hash.digest('hex')
    }
    for (let round = 0; round < 3; round++) {
      const taken = await Promise.all(Array.from({ length: 6 }, (_, index) => take(index % 2 === 0)))
      expect(new Set(taken)).toEqual(new Set([expected]))
    }
  })

  test.skipIf(kind === 'HTTP/2')('a large body comes in large pieces', async () => {
    let largest = 0
    await (await get(`/${content.length}`)).passTo(({ length }) => {
      largest = Math.max(largest, length)
      return immediate()
    })
    expect(largest).toBeGreaterThan(kind === 'plain' ? 64 * 1024 : RECORD_BYTES)
  })
})

test('memory of others is not taken back', () => {
  expect(recycle(Buffer.alloc(128 * 1024))).toBe(false)
})
