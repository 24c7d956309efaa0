import {
  type CacheCounts,
  type ContentInfo,
  type ContentKind,
  type ContentSet,
  type ContentSource,
  type DescriptorCache,
  memberKey,
  type StoredContent,
  storedContent,
} from '../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest, isDigest } from '../core/digest.ts'
import type { Log } from '../core/log.ts'
import { MemoryDescriptorCache } from './memory.ts'
import { CircuitBreaker, CircuitOpenError } from './redis/circuit-breaker.ts'
import { connectRedis, type RedisConnection } from './redis/connection.ts'
import {
  contentEntryKey,
  decodeInfo,
  EntryCodec,
  encodeInfo,
  memberEntryKey,
  PREFIX,
  PROBE_KEY,
  parseEntryKey,
  TOMBSTONE,
} from './redis/entries.ts'
import { Evictions, TOMBSTONE_TTL_MS } from './redis/evictions.ts'
import { OccasionalWarning } from './redis/occasional-warning.ts'
import type { RedisSettings } from './redis/settings.ts'

export interface RedisCacheOptions {
  settings: RedisSettings
  /** What entries are signed with: the same in all processes that share them. */
  secret: string
  /** Of the near cache, as in `MemoryCacheOptions`. */
  maxEntries: number
  /** How long an entry in Redis lives at most. */
  ttlMs: number
  log: Log
  /** How long a command may take before Redis is left alone for a while. */
  commandTimeoutMs?: number
  /** Told how long each command took. */
  observe?: (operation: string, seconds: number) => void
}

const DEFAULT_COMMAND_TIMEOUT_MS = 50
const PROBE_INTERVAL_MS = 500
/** While nobody asks anything there is less of a hurry to notice. */
const PROBE_TIMEOUT_FACTOR = 5
/** How long the near cache believes what Redis has said, while Redis tells it of changes, */
const NEAR_TTL_MS = 10 * 60_000
/** and while it can't. */
const ISOLATED_TTL_MS = 5_000

/** The layer info cache that many processes share, in Redis. What a process asks for again it finds in its own memory:
 *  Redis tells it when somebody changes something (RESP3 client-side caching). Redis is never waited for: while it is slow or
 *  gone, storage is asked. */
export class RedisDescriptorCache implements DescriptorCache {
  readonly counts: CacheCounts
  readonly #options: RedisCacheOptions
  readonly #near: MemoryDescriptorCache
  /** What is remembered while nobody would tell of a change. */
  readonly #isolated: MemoryDescriptorCache
  readonly #connection: RedisConnection
  readonly #circuit: CircuitBreaker
  readonly #evictions: Evictions
  readonly #codec: EntryCodec
  readonly #warning: OccasionalWarning
  readonly #own = { hits: 0, errors: 0 }
  #memory: MemoryDescriptorCache
  #whenReachable = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: RedisCacheOptions) {
    const { settings, secret, maxEntries, ttlMs, log } = options
    this.#options = options
    this.#near = new MemoryDescriptorCache({ maxEntries, ttlMs: Math.min(ttlMs, NEAR_TTL_MS) })
    this.#isolated = new MemoryDescriptorCache({ maxEntries, ttlMs: Math.min(ttlMs, ISOLATED_TTL_MS) })
    this.#memory = this.#isolated
    this.counts = sumOf([this.#near.counts, this.#isolated.counts], this.#own)
    this.#codec = new EntryCodec(secret)
    this.#warning = new OccasionalWarning(log, 'Redis cannot be used: storage is asked instead')
    this.#connection = connectRedis(settings, {
      prefix: PREFIX,
      listener: {
        onChange: (key) => this.#dropChanged(key),
        onLost: () => this.#circuit.open(new Error('the connection to Redis is lost')),
        onError: (error) => this.#failed(error),
      },
    })
    this.#circuit = this.#breaker()
    this.#evictions = new Evictions({
      connection: this.#connection,
      circuit: this.#circuit,
      onError: (error) => this.#failed(error),
    })
    this.#circuit.probe()
  }

  /** Fulfilled when Redis answers. */
  reachable(): Promise<void> {
    return this.#whenReachable.promise
  }

  peek(set: ContentSet, digest: Digest): StoredContent | undefined {
    return this.#memory.peek(set, digest)
  }

  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return this.#memory.findOr(source, digest, () => this.#lookUp(source, digest))
  }

  async learn(set: ContentSet, digest: Digest, work: () => Promise<StoredContent>): Promise<StoredContent> {
    const startedAt = performance.now()
    const stored = await this.#memory.learn(set, digest, work)
    const { canonical, descriptor } = stored
    const contentKey = contentEntryKey(set.kind, canonical)
    // What Redis has of it may be what stood there damaged.
    if (this.#circuit.isOpen) await this.#evictions.add(contentKey)
    else this.#write(contentKey, encodeInfo(descriptor), { startedAt, isNew: false })
    this.#write(memberEntryKey(memberKey(set, digest)), canonical, { startedAt })
    return stored
  }

  async evict(set: ContentSet, names: readonly Digest[]): Promise<void> {
    const keys = names.map((name) => memberKey(set, name))
    for (const key of keys) for (const memory of [this.#near, this.#isolated]) memory.drop(key)
    await Promise.all(keys.map((key) => this.#evictions.add(memberEntryKey(key))))
  }

  async forget(canonical: Digest): Promise<void> {
    const kinds: ContentKind[] = ['blob', 'manifest']
    for (const memory of [this.#near, this.#isolated]) await memory.forget(canonical)
    await Promise.all(kinds.map((kind) => this.#evictions.add(contentEntryKey(kind, canonical))))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#circuit.stop()
    this.#connection.close()
    for (const memory of [this.#near, this.#isolated]) await memory.close()
  }

  /** One trip to Redis, for both things that make up the answer; only what it does not know is asked of storage. */
  async #lookUp(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    if (this.#circuit.isOpen) return this.#memory.ask(source, digest)
    const startedAt = performance.now()
    const key = memberEntryKey(memberKey(source, digest))
    // Another algorithm's name leads to a canonical one only by the first answer: that is a second trip.
    const described = algorithmOf(digest) === CANONICAL ? this.#describe(source, digest) : undefined
    const member = await this.#read(key)
    const isMember = member !== undefined && isDigest(member)
    const canonical = isMember ? member : await source.resolve(digest)
    if (canonical === undefined) return undefined
    const known = await (canonical === digest ? described : this.#describe(source, canonical))
    if (isMember && known !== undefined) this.#own.hits++
    const info = known ?? (await source.describe(canonical))
    if (info === undefined) return undefined
    if (!isMember) this.#write(key, canonical, { startedAt })
    if (known === undefined) {
      this.#write(contentEntryKey(source.kind, canonical), encodeInfo(info), { startedAt })
    }
    return storedContent(digest, canonical, info)
  }

  /** What is known of a canonical digest in memory or in Redis. */
  async #describe({ kind }: ContentSet, canonical: Digest): Promise<ContentInfo | undefined> {
    const near = this.#memory.describe(kind, canonical)
    if (near !== undefined) return near
    const content = await this.#read(contentEntryKey(kind, canonical))
    return content === undefined ? undefined : decodeInfo(content)
  }

  /** An entry's content; undefined where there is none, or none that can be used. What nobody of ours can have written
   *  is removed before storage is asked, so that the answer can be written in its place. */
  async #read(key: string): Promise<string | undefined> {
    if (this.#evictions.has(key)) return undefined
    try {
      const value = await this.#command('get', () => this.#connection.get(key))
      if (value === null || value === TOMBSTONE) return undefined
      const content = this.#codec.decode(key, value, Date.now())
      if (content !== undefined) return content
      this.#own.errors++
      await this.#command('delete', () => this.#connection.delete(key))
    } catch (error) {
      this.#failed(error)
    }
    return undefined
  }

  /** Nobody waits for it. An entry that is new does not take the place of another, nor of a tombstone. */
  #write(
    key: string,
    content: string,
    { startedAt, isNew = true }: { startedAt: number; isNew?: boolean },
  ): void {
    const isLate = performance.now() - startedAt > TOMBSTONE_TTL_MS / 2
    if (isLate || this.#circuit.isOpen || this.#evictions.has(key)) return
    const { ttlMs } = this.#options
    const value = this.#codec.encode(key, content, Date.now() + ttlMs)
    this.#command('set', () => this.#connection.set(key, value, { ttlMs, isNew })).catch((error) =>
      this.#failed(error),
    )
  }

  async #command<Result>(operation: string, send: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    try {
      return await this.#circuit.call(send)
    } finally {
      this.#options.observe?.(operation, (performance.now() - startedAt) / 1000)
    }
  }

  #failed(error: unknown): void {
    if (this.#isClosed || error instanceof CircuitOpenError) return
    this.#own.errors++
    this.#warning.warn(error)
  }

  #dropChanged(key: string | undefined): void {
    const name = key === undefined ? undefined : parseEntryKey(key)
    if (key === undefined) this.#near.clear()
    else if (name?.of === 'member') this.#near.drop(name.memberKey)
    else if (name?.of === 'content') this.#near.dropContent(name.kind, name.canonical)
  }

  #breaker(): CircuitBreaker {
    const timeoutMs = this.#options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS
    return new CircuitBreaker({
      timeoutMs,
      probeIntervalMs: PROBE_INTERVAL_MS,
      probeTimeoutMs: timeoutMs * PROBE_TIMEOUT_FACTOR,
      probe: () => this.#probe(),
      onOpen: (reason) => {
        this.#failed(reason)
        this.#switchTo(this.#isolated)
        this.#whenReachable = Promise.withResolvers()
      },
      onClose: () => {
        this.#switchTo(this.#near)
        this.#warning.end('Redis can be used again')
        this.#whenReachable.resolve()
      },
    })
  }

  /** What Redis did not take for another reason than that it is gone is tried again here. */
  async #probe(): Promise<void> {
    await this.#connection.get(PROBE_KEY)
    if (this.#evictions.pending > 0) await this.#evictions.retry().catch((error) => this.#failed(error))
  }

  /** What either memory had may have changed unheard. */
  #switchTo(memory: MemoryDescriptorCache): void {
    this.#near.clear()
    this.#isolated.clear()
    this.#memory = memory
  }
}

/** The counts of several memories and of what is asked when they know nothing. */
function sumOf(memories: readonly CacheCounts[], own: { hits: number; errors: number }): CacheCounts {
  const sum = (key: keyof CacheCounts) => memories.reduce((total, counts) => total + counts[key], 0)
  return {
    get requests() {
      return sum('requests')
    },
    get hits() {
      return sum('hits') + own.hits
    },
    get errors() {
      return own.errors
    },
    get evicted() {
      return sum('evicted')
    },
    get displaced() {
      return sum('displaced')
    },
    get entries() {
      return sum('entries')
    },
  }
}
