import type { IncomingMessage } from 'node:http'
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
  const { headers, method = '' } = request
  return {
    id,
    address: addressOf(request, settings),
    host: printable(headers.host ?? ''),
    method,
    userAgent: printable(headers['user-agent'] ?? ''),
    actor: printable(actor),
    baseUrl: (originOf(request, settings) ?? '') + publicPath(settings),
  }
}

/** The client's as the trusted proxies have it, or the address and port of the connection's other end. */
function addressOf(request: IncomingMessage, { trustedProxies }: HttpSettings): string {
  const { remoteAddress = '', remotePort } = request.socket
  const client = clientAddress(request, trustedProxies)
  const peer = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '')
  if (client !== peer || remotePort === undefined) return client
  return peer.includes(':') ? `[${peer}]:${remotePort}` : `${peer}:${remotePort}`
}
