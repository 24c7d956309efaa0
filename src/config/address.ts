/** Where a server listens, as Go writes it. */

export interface TcpAddress {
  /** Absent for every interface. */
  host: string | undefined
  /** 0 for any free port. */
  port: number
}

const ADDRESS_PATTERN = /^(?:\[([^\]]*)\]|([^:[\]/]*)):(\d{1,5})$/
const MAX_PORT = 65_535

/** True when a server on the one would be in the way of a server on the other. What a host's name stands for is not
 *  looked up. */
export function areSameAddress(one: TcpAddress, other: TcpAddress): boolean {
  const hosts = [one.host, other.host]
  const isEverywhere = hosts.some((host) => host === undefined || host === '0.0.0.0' || host === '::')
  return one.port !== 0 && one.port === other.port && (isEverywhere || one.host === other.host)
}

/** Reads `host:port`, `[::1]:port` or `:port`; undefined for anything else. */
export function parseTcpAddress(address: string): TcpAddress | undefined {
  const match = ADDRESS_PATTERN.exec(address)
  if (!match || Number(match[3]) > MAX_PORT) return undefined
  return { host: match[1] || match[2] || undefined, port: Number(match[3]) }
}
