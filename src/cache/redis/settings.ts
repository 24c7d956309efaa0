/** What is configured of Redis, in the words of both generations of Distribution's `redis` section; durations are
 *  milliseconds, and a negative one means to have none. */
export interface RedisSettings {
  /** Generation 2's single server. */
  readonly addr: string
  /** Generation 3: one server, or several nodes of a cluster, or sentinels where `mastername` is given. */
  readonly addrs: readonly string[]
  readonly mastername: string
  readonly clientname: string
  readonly username: string
  readonly password: string
  readonly sentinelusername: string
  readonly sentinelpassword: string
  readonly db: number
  readonly dialtimeout: number | undefined
  /** Undefined for a connection in the clear. */
  readonly tls: RedisTls | undefined
}

/** PEM, as the files have it. */
export interface RedisTls {
  readonly certificate: Buffer | undefined
  readonly key: Buffer | undefined
  readonly rootcas: readonly Buffer[]
}

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

const STANDARD_PORT = 6379

/** Where its servers are, the generation 2 address among them. */
export function addressesOf({ addr, addrs }: Pick<RedisSettings, 'addr' | 'addrs'>): RedisAddress[] {
  return [addr, ...addrs].filter(Boolean).map(parseAddress)
}

/** `host:port`, `host`, or an IPv6 address in brackets. */
function parseAddress(text: string): RedisAddress {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? []
  return {
    host: bracketed ?? (plain || '127.0.0.1'),
    port: port === undefined ? STANDARD_PORT : Number(port),
  }
}
