/** A client of a mirror that costs next to nothing: what it receives is read into one buffer for all connections, and
 *  thrown away. Node's own client needs three times as much of the processors as a registry that serves it. */
import { connect, type Socket } from 'node:net'

const REPOSITORY = 'library/large'
/** Blobs of an image that a client fetches at the same time, as docker does. */
const CONNECTIONS = 3
const HEAD_END = '\r\n\r\n'

const received = Buffer.allocUnsafeSlow(1024 ** 2)

interface Content {
  readonly digest: string
  readonly size: number
}

export class PullClient {
  readonly #connections: readonly Connection[]

  constructor(port: number) {
    this.#connections = Array.from({ length: CONNECTIONS }, () => new Connection(port))
  }

  /** Fetches an image as docker does: the manifest, then its blobs. */
  async pull(): Promise<void> {
    const { body } = await this.#connections[0]!.send('GET', 'manifests/latest', { isKept: true })
    const { config, layers } = JSON.parse(body.toString())
    const left: Content[] = [config, ...layers]
    const fetchNext = async (connection: Connection) => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const { size } = await connection.send('GET', `blobs/${next.digest}`)
        if (size !== next.size) throw new Error(`${next.digest}: ${size} of ${next.size} bytes`)
      }
    }
    await Promise.all(this.#connections.map(fetchNext))
  }

  async head(): Promise<void> {
    await this.#connections[0]!.send('HEAD', 'manifests/latest')
  }

  close(): void {
    for (const connection of this.#connections) connection.close()
  }
}

interface Answer {
  /** Of its body. */
  readonly size: number
  /** Empty unless it was to be kept. */
  readonly body: Buffer
}

/** One request after the other. */
class Connection {
  readonly #socket: Socket
  #receive: (chunk: Buffer) => void = () => {}
  #fail: (error: Error) => void = () => {}

  constructor(port: number) {
    const callback = (length: number) => {
      this.#receive(received.subarray(0, length))
      return true
    }
    this.#socket = connect({ port, host: '127.0.0.1', onread: { buffer: received, callback } })
    this.#socket.on('error', (error) => this.#fail(error))
    this.#socket.on('end', () => this.#fail(new Error('the registry has ended a connection')))
  }

  send(method: 'GET' | 'HEAD', what: string, { isKept = false } = {}): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const path = `/v2/${REPOSITORY}/${what}`
    const kept: Buffer[] = []
    let head = ''
    let left: number | undefined
    let size = 0
    const takeHead = (chunk: Buffer): Buffer => {
      const start = head.length
      head += chunk.toString('latin1')
      const end = head.indexOf(HEAD_END)
      if (end < 0) return chunk.subarray(chunk.length)
      if (!head.startsWith('HTTP/1.1 200 '))
        reject(new Error(`${method} ${path} answered ${head.slice(9, 12)}`))
      size = method === 'HEAD' ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
      left = size
      return chunk.subarray(end + HEAD_END.length - start)
    }
    this.#fail = reject
    this.#receive = (chunk) => {
      const body = left === undefined ? takeHead(chunk) : chunk
      if (left === undefined) return
      left -= body.length
      if (isKept) kept.push(Buffer.from(body))
      if (left === 0) resolve({ size, body: Buffer.concat(kept) })
      else if (!(left > 0)) reject(new Error(`${path}: not as long as it says`))
    }
    const accept = 'application/vnd.oci.image.manifest.v1+json'
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: bench\r\nAccept: ${accept}\r\n\r\n`)
    return promise
  }

  close(): void {
    this.#socket.destroy()
  }
}
