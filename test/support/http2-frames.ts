/** HTTP/2 as bytes, for what a client library would never send: frames in any order, cut anywhere. RFC 9113, RFC 7541. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const Flag = { endStream: 1, ack: 1, endHeaders: 4 } as const

export interface Frame {
  readonly type: number
  readonly flags?: number
  /** 0 for the connection itself. */
  readonly stream?: number
  readonly payload?: Uint8Array
}

/** RFC 9113 section 4.1. */
export function frame({ type, flags = 0, stream = 0, payload = Buffer.alloc(0) }: Frame): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export interface HeadersOptions {
  readonly stream: number
  /** False where a body follows. */
  readonly end?: boolean
}

/** A request's head in one frame. */
export function headersFrame(
  headers: Readonly<Record<string, string>>,
  { stream, end = true }: HeadersOptions,
): Buffer {
  const flags = Flag.endHeaders | (end ? Flag.endStream : 0)
  return frame({ type: FrameType.headers, flags, stream, payload: headerBlock(headers) })
}

/** @param request like `GET /v2/` */
export function requestFrame(
  request: string,
  { stream, end = true, headers = {} }: HeadersOptions & { headers?: Record<string, string> },
): Buffer {
  const [method = '', path = ''] = request.split(' ')
  const pseudo = { ':method': method, ':scheme': 'http', ':path': path, ':authority': 'localhost' }
  return headersFrame({ ...pseudo, ...headers }, { stream, end })
}

export function resetFrame(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(code)
  return frame({ type: FrameType.resetStream, stream, payload })
}

export const emptySettings = frame({ type: FrameType.settings })

/** Every header as a literal that is not indexed, its name and value as they are: RFC 7541 section 6.2.2. */
function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const fields = Object.entries(headers).map(([name, value]) =>
    Buffer.concat([Buffer.of(0), literal(name), literal(value)]),
  )
  return Buffer.concat(fields)
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([prefixedInteger(bytes.length, 7), bytes])
}

/** RFC 7541 section 5.1. */
function prefixedInteger(value: number, prefixBits: number): Buffer {
  const max = 2 ** prefixBits - 1
  if (value < max) return Buffer.of(value)
  const bytes = [max]
  let rest = value - max
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}
