/** A Redis of any shape behind the few commands that the cache needs: a single server, a cluster, or one that sentinels
 *  watch over. Only this file knows the client library. */
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

/** Files for Distribution often say 10 ms, which a first connection with TLS or a busy machine exceeds. No request waits for it. */
const MIN_CONNECT_MS = 1_000

export interface RedisConnection {
  /** The first `MAX_VALUE_BYTES` of a value: what is longer is none of ours. Null if there is none, or an empty one. */
  get(key: string): Promise<string | null>
  /** Sets a key, for good where `ttlMs` is absent.
   *  @returns false where `isNew` is true and there is one already: nothing was done */
  set(key: string, value: string, options?: { ttlMs?: number; isNew?: boolean }): Promise<boolean>
  delete(key: string): Promise<void>
  close(): void
}

export interface RedisListener {
  /** Somebody else changed a key; where it is undefined, all keys are gone. */
  onChange(key: string | undefined): void
  /** A connection broke: changes may have gone unheard. */
  onLost(): void
  /** A connection could not be made, or broke. It is tried again by itself. */
  onError(error: Error): void
}

/** Begins to connect, again and again until it is closed; commands fail at once while there is no connection.
 *  @param prefixes those of the keys about whose changes the listener is told */
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
  // Not before the caller has what its listener needs: a cluster's client tells of a loss at once.
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
        // It throws when there is no connection to end.
      }
    },
  }
}

/** Puts a value in the place of whatever stands there. A Redis that is full takes nothing new, but still deletes: then
 *  the place is empty.
 *  @throws when Redis does neither */
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

/** Whether Redis answers, but does not do what it is there for: it takes no writes (READONLY, MISCONF, NOREPLICAS), loads
 *  its data, lets this user do nothing. Being full, or having something else under one key, is no refusal. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ErrorReply && !/^(OOM|WRONGTYPE)\b/.test(error.message)
}

/** Whether something that is no text stands under the key. */
export function isWrongType(error: unknown): boolean {
  return error instanceof ErrorReply && /^WRONGTYPE\b/.test(error.message)
}

/** Whether there was no connection. The listener has heard why. */
export function isUnconnected(error: unknown): boolean {
  return error instanceof ClientOfflineError || error instanceof ClientClosedError
}

/** What the three kinds of clients have in common. */
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

/** Several times the longest entry. Whoever can write to Redis must not be able to fill the memory of those who read. */
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
    // What cannot be asked now is asked of storage.
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

/** Without authorities of its own those of the system count. */
function trusted(rootcas: readonly Buffer[]) {
  return rootcas.length > 0 ? { ca: [...rootcas] } : {}
}

/** Redis tells of every change below the prefixes, whoever makes it but this connection itself (client-side caching in
 *  broadcasting mode). The library's own cache is not used: the near cache has what it keeps in the form that is asked
 *  for, and answers without a promise. */
class Tracking extends BasicPooledClientSideCache {
  readonly #prefixes: readonly string[]
  readonly #listener: RedisListener

  constructor(prefixes: readonly string[], listener: RedisListener) {
    super({ recordStats: false })
    this.#prefixes = prefixes
    this.#listener = listener
  }

  override trackingOn() {
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
