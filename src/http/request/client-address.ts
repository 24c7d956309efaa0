import type { IncomingMessage } from 'node:http'
import { type BlockList, isIP } from 'node:net'
import { isWithin } from '../../lib/networks.ts'

/** The address that a request comes from: the other end of its connection, or whom the trusted proxies there say they
 *  speak for; a unix socket has no address, and whoever may open it is a proxy. Of a list of addresses, the last that is no
 *  trusted proxy: what stands before it anybody can write. */
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

/** RFC 7239 section 5.2, or the header that was there before it; the client first. */
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

/** IPv4 as such, also where the socket is one of IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}
