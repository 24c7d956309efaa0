/** A receiver of notifications in the bench's own process. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export class BenchReceiver {
  readonly #server: Server
  /** While it is closed it refuses what it gets. */
  isOpen = true
  received = 0

  constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<BenchReceiver> {
    const server = createServer()
    const receiver = new BenchReceiver(server)
    server.on('request', (request, response) => {
      request.resume().once('end', () => {
        if (receiver.isOpen) receiver.received++
        response.writeHead(receiver.isOpen ? 200 : 503).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
