import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A server in this process, on a free port, that answers as the test wants it. */
export interface AnsweringServer extends AsyncDisposable {
  /** Like `http://127.0.0.1:41231`, without a slash at the end. */
  readonly url: string
}

export async function startAnswering(answer: RequestListener): Promise<AnsweringServer> {
  const server = createServer(answer)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
