/** Where a server listens, as Go writes it. */

export interface TcpAddress {
  /** Absent for every interface. */
  host: string | undefined
  /** 0 for any free port. */
  port: number
}

const ADDRESS_PATTERN = /^(?:\[([^\]]*)\]|([^:[\]/]*)):(\d{1,5})$/
const MAX_PORT = 65_535

/** Reads `host:port`, `[::1]:port` or `:port`; undefined for anything else. */
export function parseTcpAddress(address: string): TcpAddress | undefined {
  const match = ADDRESS_PATTERN.exec(address)
  if (!match || Number(match[3]) > MAX_PORT) return undefined
  return { host: match[1] || match[2] || undefined, port: Number(match[3]) }
}
