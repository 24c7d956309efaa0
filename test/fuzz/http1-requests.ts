/** A connection of HTTP/1.1 whose client does as it likes: requests in halves, before the answers to earlier ones, and what
 *  is no request. */
import type { Socket } from 'node:net'
import type { Random } from '../support/random.ts'
import { type Ingredients, makeRequest, type RequestParts } from './ingredients.ts'
import { endConnection, writeInPieces } from './pieces.ts'

const MAX_REQUESTS = 12

/** @returns how many requests it began */
export async function fuzzHttp1(socket: Socket, random: Random, ingredients: Ingredients): Promise<number> {
  const count = 1 + random.below(MAX_REQUESTS)
  const parts = Array.from({ length: count }, () =>
    requestBytes(makeRequest(random, ingredients), random),
  ).flat()
  if (random.below(6) === 0) parts.splice(random.below(parts.length + 1), 0, garbage(random))
  if (random.below(4) === 0) parts.push(cut(parts.pop() as Buffer, random))
  await writeInPieces(socket, parts, random)
  await endConnection(socket, random)
  return count
}

function requestBytes({ method, path, headers, body }: RequestParts, random: Random): Buffer[] {
  const target = random.below(15) === 0 ? random.pick([`http://localhost${path}`, 'localhost:1', '*']) : path
  const version = random.below(20) === 0 ? random.pick(['HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2']) : 'HTTP/1.1'
  const lines = [`${method} ${target} ${version}`]
  if (random.below(40) > 0) lines.push('Host: localhost')
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (random.below(20) === 0) {
    lines.push(
      random.pick(['Connection: close', 'Connection: Upgrade', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk']),
    )
  }
  if (body === undefined) return [head(lines)]
  return random.below(2) === 0 ? withLength(lines, body, random) : chunked(lines, body, random)
}

function head(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

function withLength(lines: readonly string[], body: Buffer, random: Random): Buffer[] {
  const wrong = random.below(10) === 0 ? random.below(20) : 0
  return [head([...lines, `Content-Length: ${body.length + wrong}`]), body]
}

function chunked(lines: readonly string[], body: Buffer, random: Random): Buffer[] {
  const size =
    random.below(10) === 0 ? random.pick(['z', '-1', 'ffffffffffffffffff']) : body.length.toString(16)
  const end = random.below(10) === 0 ? 'x' : '0\r\n\r\n'
  const chunk = body.length === 0 ? [] : [Buffer.from(`${size}\r\n`), body, Buffer.from('\r\n')]
  return [head([...lines, 'Transfer-Encoding: chunked']), ...chunk, Buffer.from(end)]
}

function garbage(random: Random): Buffer {
  return random.pick([
    () => random.bytes(random.below(300)),
    () => Buffer.from('\r\n\r\n'),
    () => Buffer.from('GET\r\n\r\n'),
    () => Buffer.from(`GET /v2/ HTTP/1.1\r\n${'x: y\r\n'.repeat(random.below(20_000))}`),
    () =>
      Buffer.from('GET /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'),
    () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    () => Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
  ])()
}

function cut(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(0, random.below(bytes.length))
}
