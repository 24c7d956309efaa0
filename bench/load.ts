/** A load generator that costs less than the servers it measures: raw sockets, one request in flight on each, and no
 *  parsing beyond what tells that an answer is right and where it ends. */
import { connect, type Socket } from 'node:net'
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'

export interface LoadRequest {
  readonly port: number
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  readonly accept: string
  /** The header of that name. */
  readonly authorization?: string | undefined
  /** Connections held open, each with one request in flight. */
  readonly connections: number
}
export interface LoadOptions {
  /** Duration of the measurement. */
  readonly seconds: number
  /** Duration of the same load before the measurement. */
  readonly warmUpSeconds: number
  /** and what is called in between. */
  readonly onMeasure?: () => Promise<void>
}
export interface LoadResult {
  readonly responses: number
  readonly bytes: number
  readonly seconds: number
  /** Nanoseconds from the request's write to the last byte of its answer. */
  readonly latency: RecordableHistogram
}

/** Load that runs until it is stopped. A wrong answer or a lost connection rejects `failed` with its reason. */
export class Load {
  responses = 0
  bytes = 0
  readonly latency = createHistogram()
  readonly failed: Promise<never>
  readonly fail: (reason: Error) => void
  readonly #connections: Connection[]

  constructor(request: LoadRequest) {
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => {})
    this.failed = promise
    this.fail = reject
    this.#connections = Array.from({ length: request.connections }, () => new Connection(request, this))
  }

  stop(): void {
    for (const connection of this.#connections) connection.close()
  }
}

/** Runs the load for a while and returns what was answered in the measured part. */
export async function runLoad(request: LoadRequest, options: LoadOptions): Promise<LoadResult> {
  const load = new Load(request)
  try {
    await Promise.race([sleep(options.warmUpSeconds * 1000), load.failed])
    await options.onMeasure?.()
    const [responses, bytes, startedAt] = [load.responses, load.bytes, performance.now()]
    load.latency.reset()
    await Promise.race([sleep(options.seconds * 1000), load.failed])
    if (load.bytes === bytes) throw new Error(`${request.method} ${request.path}: nothing more was answered`)
    return {
      responses: load.responses - responses,
      bytes: load.bytes - bytes,
      seconds: (performance.now() - startedAt) / 1000,
      latency: load.latency,
    }
  } finally {
    load.stop()
  }
}

const receiveBytes = 512 * 1024
const goodStatus = 'HTTP/1.1 200 '
const endOfHead = '\r\n\r\n'

/** Sends the same request again and again. The head of every answer must arrive in one piece; the length of the body is
 *  learned from the first answer. */
class Connection {
  readonly #request: LoadRequest
  readonly #load: Load
  readonly #message: string
  /** The socket reads into it again and again, so that no received byte costs an allocation. */
  readonly #received = Buffer.allocUnsafeSlow(receiveBytes)
  readonly #socket: Socket
  #bodyBytes: number | undefined
  /** Bytes of the answer that have not arrived yet. */
  #missingBytes = 0
  #sentAt = 0

  constructor(request: LoadRequest, load: Load) {
    const { method, path, port, accept, authorization } = request
    const login = authorization === undefined ? '' : `\r\nAuthorization: ${authorization}`
    this.#request = request
    this.#load = load
    this.#message = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: ${accept}${login}${endOfHead}`
    const onread = { buffer: this.#received, callback: (length: number) => this.#receive(length) }
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
    this.#socket.on('connect', () => this.#send())
    this.#socket.on('error', load.fail)
    this.#socket.on('end', () => this.#giveUp('the server closed the connection'))
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    this.#sentAt = performance.now()
    this.#socket.write(this.#message, 'latin1')
  }

  /** Takes the `length` bytes that are in the buffer now; always wants more. */
  #receive(length: number): boolean {
    this.#load.bytes += length
    if (this.#missingBytes === 0) this.#beginAnswer(length)
    this.#missingBytes -= length
    if (this.#missingBytes > 0) return true
    if (this.#missingBytes < 0) return this.#giveUp(`${-this.#missingBytes} bytes more than the first answer`)
    this.#load.responses++
    this.#load.latency.record(Math.max(1, Math.round((performance.now() - this.#sentAt) * 1e6)))
    this.#send()
    return true
  }

  #beginAnswer(length: number): void {
    const headBytes = this.#received.indexOf(endOfHead, 0, 'latin1') + endOfHead.length
    const good = this.#received.toString('latin1', 0, goodStatus.length) === goodStatus
    if (!good || headBytes < endOfHead.length || headBytes > length) {
      this.#giveUp(`answered ${JSON.stringify(this.#received.toString('latin1', 0, Math.min(length, 300)))}`)
    } else {
      this.#bodyBytes ??= this.#readBodyLength(this.#received.toString('latin1', 0, headBytes))
      this.#missingBytes = headBytes + this.#bodyBytes
    }
  }

  #readBodyLength(head: string): number {
    if (this.#request.method === 'HEAD') return 0
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) this.#giveUp(`no Content-Length in ${JSON.stringify(head)}`)
    return Number(length)
  }

  #giveUp(reason: string): true {
    this.#load.fail(new Error(`${this.#request.method} ${this.#request.path}: ${reason}`))
    this.#socket.destroy()
    return true
  }
}
