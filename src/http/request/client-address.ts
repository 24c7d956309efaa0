import type { IncomingMessage } from 'node:http'
import { type BlockList, isIP } from 'node:net'
import { isWithin } from '../../lib/networks.ts'

/** The address of the client: the connection's peer, or the one that trusted proxies report. A unix socket
 *  counts as a proxy. In a list it is the last address that is no trusted proxy: those before it may be
 *  forged. */
export function clientAddress(request: IncomingMessage, trustedProxies: BlockList): string {
  const peer = plain(request.socket.remoteAddress ?? '')
  if (peer !== '' && !isWithin(trustedProxies, peer)) return peer
  let client = peer
  for (const address of forwardedFor(request).reverse()) {
    if (isIP(address) === 0) return client
    client = address
    if (!isWithin(trustedProxies, address)) return client
  }
  return client
}

/** The list of addresses in RFC 7239 section 5.2 or `X-Forwarded-For`; the client first. */
function forwardedFor({ headers }: IncomingMessage): string[] {
  const { forwarded } = headers
  const entries =
    forwarded === undefined
      ? String(headers['x-forwarded-for'] ?? '').split(',')
      : forwarded.split(',').map((entry) => /(?:^|;)\s*for="?([^";]*)/i.exec(entry)?.[1] ?? '')
  return entries.map((entry) => plain(withoutPort(entry.trim()))).filter(Boolean)
}

function withoutPort(address: string): string {
  return /^\[([^\]]*)\]/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address
}

/** Unmaps IPv4 addresses of IPv6 sockets. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
