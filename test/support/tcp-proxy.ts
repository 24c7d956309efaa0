/** A line to a server that can be cut, held up, or led to another server. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: number
  #state: 'passes' | 'is cut' | 'is held up' = 'passes'

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => this.#take(client))
  }

  /** @param target a port of 127.0.0.1 */
  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** As it stands in a configuration: `127.0.0.1:6379`. */
  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Ends every connection; new ones are ended too. */
  cut(): void {
    this.#state = 'is cut'
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Drops all traffic without closing connections. */
  holdUp(): void {
    this.#state = 'is held up'
    for (const socket of this.#sockets) socket.pause()
  }

  /** Delivers the held traffic, and accepts connections again. */
  heal(): void {
    this.#state = 'passes'
    for (const socket of this.#sockets) socket.resume()
  }

  /** Ends every connection; the next ones are made to another server. */
  leadTo(target: number): void {
    this.cut()
    this.#target = target
    this.heal()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  #take(client: Socket): void {
    if (this.#state === 'is cut') {
      client.destroy()
      return
    }
    const server = connect(this.#target, '127.0.0.1')
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('data', (chunk) => other.write(chunk))
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
      if (this.#state === 'is held up') socket.pause()
    }
  }
}
