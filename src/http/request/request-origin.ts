import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'
import { printable } from '../../lib/printable.ts'
import { originOf, publicPath } from '../reply/location.ts'
import type { HttpSettings } from '../settings.ts'
import { clientAddress } from './client-address.ts'

/** A request as events tell of it. */
export function requestOrigin(
  request: IncomingMessage,
  { id, actor, settings }: { id: string; actor: string; settings: HttpSettings },
): RequestOrigin {
  const { address, host, userAgent, baseUrl } = peerOf(request, settings)
  return {
    ...{ id, address, host, method: request.method ?? '', userAgent },
    ...{ actor: printable(actor), baseUrl },
  }
}

/** What is the same, as a rule, for all requests of a connection. */
interface Peer extends Pick<RequestOrigin, 'address' | 'host' | 'userAgent' | 'baseUrl'> {
  /** The headers that it is made of. */
  readonly headers: Pick<IncomingHttpHeaders, 'host' | 'user-agent'>
}

const peers = new WeakMap<Socket, Peer>()

function peerOf(request: IncomingMessage, settings: HttpSettings): Peer {
  const { headers, socket } = request
  const known = peers.get(socket)
  if (known !== undefined && isSamePeer(known, headers)) return known
  const peer = {
    headers: { host: headers.host, 'user-agent': headers['user-agent'] },
    address: addressOf(request, settings),
    host: printable(headers.host ?? ''),
    userAgent: printable(headers['user-agent'] ?? ''),
    baseUrl: (originOf(request, settings) ?? '') + publicPath(settings),
  }
  if (!isForwarded(headers)) peers.set(socket, peer)
  return peer
}

function isSamePeer({ headers: known }: Peer, headers: IncomingHttpHeaders): boolean {
  return known.host === headers.host && known['user-agent'] === headers['user-agent'] && !isForwarded(headers)
}

/** A proxy may speak for another client in each request of its connection. */
function isForwarded(headers: IncomingHttpHeaders): boolean {
  return (
    headers.forwarded !== undefined ||
    headers['x-forwarded-for'] !== undefined ||
    headers['x-forwarded-host'] !== undefined ||
    headers['x-forwarded-proto'] !== undefined
  )
}

/** The client's as the trusted proxies have it, or the address and port of the connection's other end. */
function addressOf(request: IncomingMessage, { trustedProxies }: HttpSettings): string {
  const { remoteAddress = '', remotePort } = request.socket
  const client = clientAddress(request, trustedProxies)
  const peer = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '')
  if (client !== peer || remotePort === undefined) return client
  return peer.includes(':') ? `[${peer}]:${remotePort}` : `${peer}:${remotePort}`
}
