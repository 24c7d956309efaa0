/** A proxy that counts the requests to an HTTP server, by method. */
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface CountingProxy extends AsyncDisposable {
  readonly url: string
  readonly counts: ReadonlyMap<string, number>
}

export async function startCountingProxy(target: URL): Promise<CountingProxy> {
  const counts = new Map<string, number>()
  const agent = new Agent({ keepAlive: true })
  const server = createServer((received, answer) => {
    const { method = '', url: path, headers } = received
    counts.set(method, (counts.get(method) ?? 0) + 1)
    const { hostname: host, port } = target
    const forwarded = request({ host, port, method, path, headers, agent }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.rawHeaders)
      reply.pipe(answer)
    })
    forwarded.on('error', () => answer.destroy())
    received.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      agent.destroy()
    },
  }
}
