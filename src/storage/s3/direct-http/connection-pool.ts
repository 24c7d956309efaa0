import { BufferPool } from '../../buffer-pool.ts'
import { Connection } from './connection.ts'
import type { Origin } from './socket.ts'

export interface PoolOptions {
  readonly maxConnections: number
  readonly connectionTimeoutMs: number
  /** Idle timeout of requests and of unused connections. */
  readonly timeoutMs: number
  /** False if any certificate is accepted. */
  readonly rejectUnauthorized: boolean
}

/** Persistent connections. RFC 9112 section 9.3. */
export class ConnectionPool {
  readonly #options: PoolOptions
  readonly #buffers = new BufferPool()
  readonly #all = new Set<Connection>()
  readonly #idle: Connection[] = []
  /** The latest session of each origin. */
  readonly #sessions = new Map<string, Buffer | undefined>()

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** The connection used last, which the store is least likely to have closed. */
  takeIdle(origin: Origin): Connection | undefined {
    const place = this.#idle.findLastIndex((one) => isSame(one.origin, origin))
    return place === -1 ? undefined : this.#idle.splice(place, 1)[0]
  }

  /** Opens a connection. Undefined if there are too many. */
  open(origin: Origin): Connection | undefined {
    if (this.#all.size >= this.#options.maxConnections) return undefined
    const name = nameOf(origin)
    const connection: Connection = new Connection({
      ...this.#options,
      origin,
      session: this.#sessions.get(name),
      buffers: this.#buffers,
      onSession: (session) => this.#sessions.set(name, session),
      onIdle: () => this.#idle.push(connection),
      onClose: () => this.#forget(connection),
    })
    this.#all.add(connection)
    return connection
  }

  destroy(): void {
    for (const connection of this.#all) connection.destroy()
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection)
    const place = this.#idle.indexOf(connection)
    if (place !== -1) this.#idle.splice(place, 1)
  }
}

function isSame(one: Origin, other: Origin): boolean {
  return one.port === other.port && one.isSecure === other.isSecure && one.host === other.host
}

function nameOf({ host, port, isSecure }: Origin): string {
  return `${isSecure ? 'https' : 'http'}://${host}:${port}`
}
