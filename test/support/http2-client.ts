/** A client of HTTP/2 on one connection. */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'

export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Http2Parts {
  readonly headers?: Record<string, string>
  readonly body?: Uint8Array | string
}

const CONNECTION_WINDOW_BYTES = 16 * 1024 ** 2

export class Http2Client implements Disposable {
  readonly session: ClientHttp2Session

  private constructor(session: ClientHttp2Session) {
    this.session = session
  }

  static async connect(url: string, options: SecureClientSessionOptions = {}): Promise<Http2Client> {
    const session = connect(url, options)
    await once(session, 'connect')
    session.on('error', () => {})
    // Streams that are not read would use up what all may send.
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    return new Http2Client(session)
  }

  /** @param request like `GET /v2/` */
  async send(request: string, { headers, body }: Http2Parts = {}): Promise<Http2Answer> {
    const stream = this.open(request, { ...headers, ...(body && { 'content-length': `${body.length}` }) })
    stream.end(body)
    return answerOf(stream)
  }

  /** A stream whose body is the test's own. */
  open(request: string, headers: Record<string, string> = {}): ClientHttp2Stream {
    const [method = '', path = ''] = request.split(' ')
    const stream = this.session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: method === 'GET' || method === 'HEAD' },
    )
    stream.on('error', () => {})
    return stream
  }

  [Symbol.dispose](): void {
    this.session.destroy()
  }
}

export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const [headers] = (await Promise.race([
    once(stream, 'response'),
    once(stream, 'close').then(() => {
      throw new Error(`closed without an answer: ${stream.rstCode}`)
    }),
  ])) as [IncomingHttpHeaders]
  // Not by a helper that minds whether the request was sent to its end.
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise<void>((resolve) => stream.once('end', resolve).once('close', resolve))
  const body = Buffer.concat(chunks)
  return { status: Number(headers[constants.HTTP2_HEADER_STATUS]), headers, body }
}
