/** A connection of HTTP/2 whose client does as it likes: requests in halves, resets at every moment, frames that nobody
 *  expects. */

import { constants } from 'node:http2'
import type { Socket } from 'node:net'
import { Flag, FrameType, frame, headersFrame, PREFACE, resetFrame } from '../support/http2-frames.ts'
import type { Random } from '../support/random.ts'
import { type Ingredients, makeRequest } from './ingredients.ts'
import { endConnection, writeInPieces } from './pieces.ts'

const {
  NGHTTP2_NO_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_CANCEL,
} = constants
const RESETS = [
  NGHTTP2_NO_ERROR,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_CANCEL,
  0x7fff_ffff,
]
const MAX_STREAMS = 200
/** Of a connection that one frame is to break. */
const BREAKS_IN = 15

/** @returns how many streams it began */
export async function fuzzHttp2(socket: Socket, random: Random, ingredients: Ingredients): Promise<number> {
  const count = 1 + random.below(MAX_STREAMS)
  const streams = Array.from({ length: count }, (_, n) => streamFrames(2 * n + 1, random, ingredients))
  const frames = [PREFACE, settings(random), ...mixed(streams, random)]
  if (random.below(BREAKS_IN) === 0) frames.splice(1 + random.below(frames.length), 0, badFrame(random))
  await writeInPieces(socket, frames, random)
  await endConnection(socket, random)
  return count
}

/** From the head to whatever comes of it. */
function streamFrames(stream: number, random: Random, ingredients: Ingredients): Buffer[] {
  const { method, path, headers, body } = makeRequest(random, ingredients)
  const fields: Record<string, string> = { ':method': oddMethod(method, random), ':authority': 'localhost' }
  if (method !== 'CONNECT' || random.below(3) === 0)
    Object.assign(fields, { ':scheme': 'http', ':path': path })
  Object.assign(fields, headers)
  if (body !== undefined && random.below(2) === 0) {
    fields['content-length'] = String(Math.max(0, body.length - random.below(2)))
  }
  const head = headersFrame(fields, { stream, end: body === undefined })
  const frames = [head]
  if (body !== undefined) frames.push(...bodyFrames(stream, body, random))
  if (random.below(3) > 0) return frames
  const kept = frames.slice(0, 1 + random.below(frames.length))
  return [...kept, resetFrame(stream, random.pick(RESETS))]
}

/** HTTP/2 has no list of methods. */
function oddMethod(method: string, random: Random): string {
  return random.below(30) === 0 ? random.pick(['constructor', '__proto__', 'get', 'PROPFIND', 'X!']) : method
}

function bodyFrames(stream: number, body: Buffer, random: Random): Buffer[] {
  const frames: Buffer[] = []
  for (let offset = 0; offset < body.length; ) {
    const size = 1 + random.below(16_000)
    frames.push(frame({ type: FrameType.data, stream, payload: body.subarray(offset, offset + size) }))
    offset += size
  }
  const end = random.below(6)
  if (end === 0) return frames // it never ends
  if (end === 1) return [...frames, headersFrame({ 'x-trailer': 'x' }, { stream })]
  return [...frames, frame({ type: FrameType.data, stream, flags: Flag.endStream })]
}

/** Streams begin in their order, and go on in any. */
function mixed(streams: readonly Buffer[][], random: Random): Buffer[] {
  const frames: Buffer[] = []
  const open: Buffer[][] = []
  let next = 0
  while (next < streams.length || open.length > 0) {
    const begins = next < streams.length && (open.length === 0 || random.below(2) === 0)
    const of = begins ? (streams[next++] as Buffer[]) : random.pick(open)
    frames.push(of.shift() as Buffer)
    if (begins && of.length > 0) open.push(of)
    if (!begins && of.length === 0) open.splice(open.indexOf(of), 1)
    if (random.below(20) === 0) frames.push(connectionFrame(random, 2 * next - 1))
  }
  return frames
}

/** What may come at any time. */
function connectionFrame(random: Random, stream: number): Buffer {
  return random.pick([
    () => frame({ type: FrameType.ping, payload: Buffer.alloc(8) }),
    () => frame({ type: FrameType.windowUpdate, payload: word(1 + random.below(1_000_000)) }),
    () => frame({ type: FrameType.windowUpdate, stream, payload: word(1 + random.below(100_000)) }),
    () => frame({ type: FrameType.settings, flags: Flag.ack }),
    () => settings(random),
    () => frame({ type: FrameType.priority, stream, payload: Buffer.from('0000000010', 'hex') }),
    () => frame({ type: 0x42, stream, payload: random.bytes(10) }),
  ])()
}

/** What ends a connection, or a part of it. */
function badFrame(random: Random): Buffer {
  const stream = random.below(2 * MAX_STREAMS)
  return random.pick([
    () => frame({ type: FrameType.goAway, payload: Buffer.concat([word(0), word(random.below(14))]) }),
    () => frame({ type: FrameType.windowUpdate, stream, payload: word(0) }),
    () => frame({ type: FrameType.windowUpdate, payload: word(0x7fff_ffff) }),
    () => frame({ type: FrameType.continuation, stream, payload: random.bytes(20) }),
    () => frame({ type: FrameType.headers, stream, flags: Flag.endHeaders, payload: random.bytes(30) }),
    () => frame({ type: FrameType.headers, stream: 2 * MAX_STREAMS + 1, payload: Buffer.alloc(10) }),
    () => frame({ type: FrameType.data, stream, payload: random.bytes(30) }),
    () => frame({ type: FrameType.pushPromise, stream, payload: random.bytes(30) }),
    () => frame({ type: FrameType.resetStream, stream: 0, payload: word(8) }),
    () => frame({ type: FrameType.settings, payload: Buffer.from('000400000000', 'hex') }),
    () => frame({ type: FrameType.settings, payload: random.bytes(6 * random.below(40)) }),
    () =>
      frame({
        type: random.below(256),
        flags: random.below(256),
        stream,
        payload: random.bytes(random.below(60)),
      }),
    () => random.bytes(random.below(200)),
    () => Buffer.concat(Array.from({ length: 200 }, () => frame({ type: FrameType.settings }))),
    () =>
      Buffer.concat(
        Array.from({ length: 200 }, () => frame({ type: FrameType.ping, payload: Buffer.alloc(8) })),
      ),
  ])()
}

/** Windows that let much through, or hardly anything. */
function settings(random: Random): Buffer {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(4)
  payload.writeUInt32BE(random.pick([65_535, 1_000_000, 100, 0]), 2)
  return frame({ type: FrameType.settings, payload: random.below(2) === 0 ? payload : Buffer.alloc(0) })
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
