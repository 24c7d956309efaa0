/** The commands that the cache needs, for a single Redis, a cluster, or sentinels. Only this file uses the
 *  client library. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  BasicPooledClientSideCache,
  ClientClosedError,
  ClientOfflineError,
  createClient,
  createCluster,
  createSentinel,
  ErrorReply,
  type RedisClientOptions,
} from '@redis/client'
import { addressesOf, type RedisSettings } from './settings.ts'

/** Files for Distribution often set 10 ms, which a first connection with TLS or a busy machine exceeds. No
 *  request waits for it. */
const MIN_CONNECT_MS = 1_000

export interface RedisConnection {
  /** The first `MAX_VALUE_BYTES` of a value; Entrepot writes no longer ones. Null if there is none, or it is
   *  empty. */
  get(key: string): Promise<string | null>
  /** Sets a key, without expiry if `ttlMs` is absent.
   *  @returns false if `isNew` is true and the key exists; nothing is changed then */
  set(key: string, value: string, options?: { ttlMs?: number; isNew?: boolean }): Promise<boolean>
  delete(key: string): Promise<void>
  close(): void
}

export interface RedisListener {
  /** Another client changed a key; undefined if all keys were removed. */
  onChange(key: string | undefined): void
  /** A connection begins to report changes. */
  onConnect?(): void
  /** A connection was lost, and invalidations may be lost with it. */
  onLost(): void
  /** A connection failed. It is retried automatically. */
  onError(error: Error): void
}

/** Connects, with retries until it is closed. Commands fail at once while there is no connection.
 *  @param prefixes of the keys whose changes are reported */
export function connectRedis(
  settings: RedisSettings,
  { prefixes, listener }: { prefixes: readonly string[]; listener: RedisListener },
): RedisConnection {
  const client = createFor(settings, new Tracking(prefixes, listener))
  client.on('error', (error: Error) => listener.onError(error))
  let isClosed = false
  const connect = async () => {
    while (!isClosed) {
      try {
        return await client.connect()
      } catch (error) {
        if (!isClosed) listener.onError(error as Error)
        await delay(MAX_RECONNECT_DELAY_MS, undefined, { ref: false })
      }
    }
  }
  // Deferred until the caller has set up its listener: a cluster's client reports a loss at once.
  queueMicrotask(connect)
  return {
    get: async (key) => (await client.getRange(key, 0, MAX_VALUE_BYTES - 1)) || null,
    async set(key, value, { ttlMs, isNew = false } = {}) {
      const options: SetOptions = {
        ...(ttlMs !== undefined && { expiration: { type: 'PX', value: ttlMs } }),
        ...(isNew && { condition: 'NX' }),
      }
      return (await client.set(key, value, options)) !== null
    },
    async delete(key) {
      await client.del(key)
    },
    close() {
      isClosed = true
      try {
        client.destroy()
      } catch {
        // Throws if there is no connection to end.
      }
    },
  }
}

/** Replaces a value. A full Redis rejects writes but still deletes: then the key is deleted.
 *  @throws Error if Redis does neither */
export async function replaceOrDelete(
  connection: RedisConnection,
  key: string,
  { value, ttlMs }: { value: string; ttlMs: number },
): Promise<void> {
  try {
    await connection.set(key, value, { ttlMs })
  } catch (error) {
    if (!(error instanceof ErrorReply && /^OOM\b/.test(error.message))) throw error
    await connection.delete(key)
  }
}

/** True if Redis answers but refuses to work: read-only (READONLY, MISCONF, NOREPLICAS), loading, or without
 *  permission. A full Redis or a value of another type are not refusals. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ErrorReply && !/^(OOM|WRONGTYPE)\b/.test(error.message)
}

/** True if the key holds a value of another type. */
export function isWrongType(error: unknown): boolean {
  return error instanceof ErrorReply && /^WRONGTYPE\b/.test(error.message)
}

/** True if there was no connection. The listener was told the reason. */
export function isUnconnected(error: unknown): boolean {
  return error instanceof ClientOfflineError || error instanceof ClientClosedError
}

/** The methods that the three kinds of clients share. */
interface AnyClient {
  connect(): Promise<unknown>
  destroy(): void
  on(event: 'error', listener: (error: Error) => void): unknown
  getRange(key: string, start: number, end: number): Promise<string>
  set(key: string, value: string, options: SetOptions): Promise<unknown>
  del(key: string): Promise<unknown>
}

interface SetOptions {
  expiration?: { type: 'PX'; value: number }
  condition?: 'NX'
}

const MAX_RECONNECT_DELAY_MS = 1_000

/** Several times the longest entry. Bounds the memory that a client with write access to Redis can fill. */
const MAX_VALUE_BYTES = 8 * 1024

function createFor(settings: RedisSettings, tracking: Tracking): AnyClient {
  const addresses = addressesOf(settings)
  const [first] = addresses
  if (first === undefined) throw new Error('redis has no address')
  const options = clientOptions(settings)
  if (settings.mastername !== '') {
    const { sentinelusername: username, sentinelpassword: password } = settings
    return createSentinel({
      name: settings.mastername,
      sentinelRootNodes: addresses,
      nodeClientOptions: options,
      sentinelClientOptions: { ...options, ...credentials(username, password), database: 0 },
      clientSideCache: tracking,
      scanInterval: MAX_RECONNECT_DELAY_MS,
    }) as unknown as AnyClient
  }
  if (addresses.length > 1) {
    const rootNodes = addresses.map((address) => ({ ...options, socket: { ...options.socket, ...address } }))
    const { database: _none, ...defaults } = options
    return createCluster({ rootNodes, defaults, clientSideCache: tracking }) as unknown as AnyClient
  }
  const socket = { ...options.socket, ...first }
  return createClient({ ...options, socket, clientSideCache: tracking }) as unknown as AnyClient
}

function clientOptions(settings: RedisSettings) {
  const { username, password, db, clientname, dialtimeout = 0, tls } = settings
  return {
    ...credentials(username, password),
    database: db,
    name: clientname || 'entrepot',
    RESP: 3 as const,
    // Without a connection storage is asked instead.
    disableOfflineQueue: true,
    maintNotifications: 'disabled' as const,
    socket: {
      ...(dialtimeout > 0 ? { connectTimeout: Math.max(dialtimeout, MIN_CONNECT_MS) } : {}),
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS),
      ...(tls && { tls: true as const, cert: tls.certificate, key: tls.key, ...trusted(tls.rootcas) }),
    },
  } satisfies RedisClientOptions
}

function credentials(username: string, password: string) {
  return { username: username || undefined, password: password || undefined }
}

/** The configured authorities, otherwise those of the system. */
function trusted(rootcas: readonly Buffer[]) {
  return rootcas.length > 0 ? { ca: [...rootcas] } : {}
}

/** Receives invalidations of all keys below the prefixes, except those of this connection (client-side
 *  caching in broadcasting mode). The library's own cache is not used: the near cache holds decoded entries
 *  and answers synchronously. */
class Tracking extends BasicPooledClientSideCache {
  readonly #prefixes: readonly string[]
  readonly #listener: RedisListener

  constructor(prefixes: readonly string[], listener: RedisListener) {
    super({ recordStats: false })
    this.#prefixes = prefixes
    this.#listener = listener
  }

  override trackingOn() {
    this.#listener.onConnect?.()
    const prefixes = this.#prefixes.flatMap((prefix) => ['PREFIX', prefix])
    return ['CLIENT', 'TRACKING', 'ON', 'BCAST', ...prefixes, 'NOLOOP']
  }

  override async handleCache(...[, parser, send, transform, types]: HandleCacheParameters) {
    const reply = await send()
    return transform === undefined ? reply : transform(reply, parser.preserve, types)
  }

  override invalidate(key: string | Buffer | null) {
    this.#listener.onChange(key === null ? undefined : key.toString())
  }

  override onError() {
    this.#listener.onLost()
  }

  override onClose() {
    this.#listener.onLost()
  }

  override onPoolClose() {
    this.#listener.onLost()
  }

  override clear() {
    this.#listener.onLost()
  }
}

type HandleCacheParameters = Parameters<BasicPooledClientSideCache['handleCache']>
