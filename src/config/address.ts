/** Listen addresses in Go's notation. */

export interface TcpAddress {
  /** Undefined for every interface. */
  host: string | undefined
  /** 0 for any free port. */
  port: number
}

const ADDRESS_PATTERN = /^(?:\[([^\]]*)\]|([^:[\]/]*)):(\d{1,5})$/
const MAX_PORT = 65_535

/** True if two servers could not listen at both addresses. Host names are not resolved. */
export function areSameAddress(one: TcpAddress, other: TcpAddress): boolean {
  const hosts = [one.host, other.host]
  const isEverywhere = hosts.some((host) => host === undefined || host === '0.0.0.0' || host === '::')
  return one.port !== 0 && one.port === other.port && (isEverywhere || one.host === other.host)
}

/** Parses `host:port`, `[::1]:port` or `:port`. Undefined for anything else. */
export function parseTcpAddress(address: string): TcpAddress | undefined {
  const match = ADDRESS_PATTERN.exec(address)
  if (!match || Number(match[3]) > MAX_PORT) return undefined
  return { host: match[1] || match[2] || undefined, port: Number(match[3]) }
}
