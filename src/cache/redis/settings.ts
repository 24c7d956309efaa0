/** The settings of Redis, in the keys of both generations of Distribution's `redis` section. Durations are
 *  milliseconds; a negative one disables the limit. */
export interface RedisSettings {
  /** The single server of generation 2. */
  readonly addr: string
  /** The servers of generation 3: one, or several nodes of a cluster, or sentinels if `mastername` is
   *  given. */
  readonly addrs: readonly string[]
  readonly mastername: string
  readonly clientname: string
  readonly username: string
  readonly password: string
  readonly sentinelusername: string
  readonly sentinelpassword: string
  readonly db: number
  readonly dialtimeout: number | undefined
  /** Undefined without TLS. */
  readonly tls: RedisTls | undefined
}

/** PEM files. */
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

/** The addresses of its servers, including the one of generation 2. */
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
