import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { KeyPair } from './authority.ts'

/** A server in this process, on a free port, that answers as the test wants it. */
export interface AnsweringServer extends AsyncDisposable {
  /** Like `http://127.0.0.1:41231`, without a slash at the end. */
  readonly url: string
}

/** @param keyPair for a server with TLS */
export async function startAnswering(answer: RequestListener, keyPair?: KeyPair): Promise<AnsweringServer> {
  const server = keyPair === undefined ? createServer(answer) : createTlsServer(keyPair, answer)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${keyPair === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
