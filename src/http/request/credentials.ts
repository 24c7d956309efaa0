import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { BlockList, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Credentials } from '../../core/access/access-controller.ts'
import { clientAddress } from './client-address.ts'

/** The credentials of a request. `authorization` mostly suffices, so the others are computed on demand. */
export class RequestCredentials implements Credentials {
  readonly #request: IncomingMessage
  readonly #trustedProxies: BlockList

  constructor(request: IncomingMessage, trustedProxies: BlockList) {
    this.#request = request
    this.#trustedProxies = trustedProxies
  }

  get authorization(): string | undefined {
    return this.#request.headers.authorization
  }

  get address(): string {
    return clientAddress(this.#request, this.#trustedProxies)
  }

  get hasLeft(): boolean {
    const { stream } = this.#request as IncomingMessage & Partial<Http2ServerRequest>
    return stream?.destroyed ?? this.#request.socket.destroyed
  }

  get certificate(): X509Certificate | undefined {
    const socket = this.#request.socket as Socket & Partial<TLSSocket>
    return socket.authorized ? certificateOf(socket as TLSSocket) : undefined
  }
}

/** One object for all requests of a connection. */
const certificates = new WeakMap<Socket, X509Certificate>()

function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  const known = certificates.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerX509Certificate()
  if (certificate !== undefined) certificates.set(socket, certificate)
  return certificate
}
