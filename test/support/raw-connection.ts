import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A connection on which every byte is the test's own. */
export class RawConnection implements Disposable {
  readonly socket: Socket
  /** Fulfilled when the other side has ended the connection, gently or not. */
  readonly closed: Promise<void>
  #received = ''
  #onChange = () => {}

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      this.#received += text
      this.#onChange()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        resolve()
        this.#onChange()
      })
    })
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  /** Everything that came so far, one character a byte. */
  get received(): string {
    return this.#received
  }

  /** Sends a request's head, one line an argument. */
  writeHead(...lines: string[]): void {
    this.write(`${lines.join('\r\n')}\r\n\r\n`)
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Fulfilled with what came so far as soon as the pattern is found in it.
   *  @throws when the connection ends before that */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#received)) {
      if (this.socket.destroyed) throw new Error(`closed before ${pattern}; received: ${this.#received}`)
      await new Promise<void>((resolve) => {
        this.#onChange = resolve
      })
    }
    return this.#received
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
