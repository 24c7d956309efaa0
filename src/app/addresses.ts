import { type AddressInfo, isIPv6, type ListenOptions } from 'node:net'
import { parseTcpAddress } from '../config/address.ts'
import type { Config } from '../config/schema.ts'

/** The options of the registry's listener. */
export function listenOptions({ net, addr }: Config['http']): ListenOptions {
  if (net === 'unix') return { path: addr }
  return tcpOptions(addr, 'http.addr')
}

/** The options for an address that the configuration has validated. */
export function tcpOptions(address: string, key: string): ListenOptions {
  const parsed = parseTcpAddress(address)
  if (parsed === undefined) throw new Error(`${key} was not checked: ${address}`)
  return parsed
}

/** The address as a URL, or `unix:` and a path. */
export function formatAddress(address: AddressInfo | string, scheme: 'http' | 'https'): string {
  if (typeof address === 'string') return `unix:${address}`
  const host = isIPv6(address.address) ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}
