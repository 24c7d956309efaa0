/** A Redis of any shape behind the few commands that the cache needs: a single server, a cluster, or one that sentinels
 *  watch over. Only this file knows the client library. */
import { setTimeout as delay } from 'node:timers/promises'
import {
  BasicPooledClientSideCache,
  createClient,
  createCluster,
  createSentinel,
  type RedisClientOptions,
} from '@redis/client'
import { addressesOf, type RedisSettings } from './settings.ts'

export interface RedisConnection {
  get(key: string): Promise<string | null>
  /** Sets a key; with `isNew`, only where there is none. */
  set(key: string, value: string, options: { ttlMs: number; isNew?: boolean }): Promise<void>
  delete(key: string): Promise<void>
  close(): void
}

export interface RedisListener {
  /** Somebody else changed a key, or all keys where it is undefined. */
  onChange(key: string | undefined): void
  /** A connection broke: changes may have gone unheard. */
  onLost(): void
  /** A connection could not be made, or broke. It is tried again by itself. */
  onError(error: Error): void
}

/** Begins to connect, again and again until it is closed; commands fail at once while there is no connection.
 *  @param prefix that of all keys, about whose changes the listener is told */
export function connectRedis(
  settings: RedisSettings,
  { prefix, listener }: { prefix: string; listener: RedisListener },
): RedisConnection {
  const client = createFor(settings, new Tracking(prefix, listener))
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
  connect()
  return {
    get: (key) => client.get(key),
    async set(key, value, { ttlMs, isNew = false }) {
      const expiration = { type: 'PX', value: ttlMs } as const
      await client.set(key, value, isNew ? { expiration, condition: 'NX' } : { expiration })
    },
    async delete(key) {
      await client.del(key)
    },
    close() {
      isClosed = true
      try {
        client.destroy()
      } catch {
        // It throws when there is no connection to end.
      }
    },
  }
}

/** What the three kinds of clients have in common. */
interface AnyClient {
  connect(): Promise<unknown>
  destroy(): void
  on(event: 'error', listener: (error: Error) => void): unknown
  get(key: string): Promise<string | null>
  set(key: string, value: string, options: SetOptions): Promise<unknown>
  del(key: string): Promise<unknown>
}

interface SetOptions {
  expiration: { type: 'PX'; value: number }
  condition?: 'NX'
}

const MAX_RECONNECT_DELAY_MS = 1_000

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
    // What cannot be asked now is asked of storage.
    disableOfflineQueue: true,
    maintNotifications: 'disabled' as const,
    socket: {
      ...(dialtimeout > 0 ? { connectTimeout: dialtimeout } : {}),
      reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, MAX_RECONNECT_DELAY_MS),
      ...(tls && { tls: true as const, cert: tls.certificate, key: tls.key, ...trusted(tls.rootcas) }),
    },
  } satisfies RedisClientOptions
}

function credentials(username: string, password: string) {
  return { username: username || undefined, password: password || undefined }
}

/** Without authorities of its own those of the system count. */
function trusted(rootcas: readonly Buffer[]) {
  return rootcas.length > 0 ? { ca: [...rootcas] } : {}
}

/** Redis tells of every change below the prefix, whoever makes it but this connection itself (client-side caching in
 *  broadcasting mode). The library's own cache is not used: the near cache has what it keeps in the form that is asked
 *  for, and answers without a promise. */
class Tracking extends BasicPooledClientSideCache {
  readonly #prefix: string
  readonly #listener: RedisListener

  constructor(prefix: string, listener: RedisListener) {
    super({ recordStats: false })
    this.#prefix = prefix
    this.#listener = listener
  }

  override trackingOn() {
    return ['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', this.#prefix, 'NOLOOP']
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
