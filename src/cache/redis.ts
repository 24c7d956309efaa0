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
import type { MemoryDescriptorCache } from './memory.ts'
import { CircuitBreaker, CircuitOpenError } from './redis/circuit-breaker.ts'
import {
  connectRedis,
  isRefusal,
  isUnconnected,
  isWrongType,
  type RedisConnection,
} from './redis/connection.ts'
import { decodeInfo, EntryCodec, encodeInfo, TOMBSTONE } from './redis/entries.ts'
import { Evictions, TOMBSTONE_TTL_MS } from './redis/evictions.ts'
import { Generation, GenerationError, type GenerationFile, NO_FILE } from './redis/generation.ts'
import { contentEntryKey, ENTRY_PREFIXES, memberEntryKey, parseEntryKey } from './redis/keys.ts'
import { OccasionalWarning } from './redis/occasional-warning.ts'
import { ProcessMemory } from './redis/process-memory.ts'
import type { RedisSettings } from './redis/settings.ts'

export interface RedisCacheOptions {
  settings: RedisSettings
  /** Key of the entries' signatures; the same in all processes that share them. */
  secret: string
  /** The generation file on the storage. Without it, evictions that Redis did not take are known to this
   *  process only. Default: none. */
  generationFile?: GenerationFile
  /** Limits of the near cache, as in `MemoryCacheOptions`. */
  maxEntries: number
  /** Lifetime of an entry in Redis. */
  ttlMs: number
  log: Log
  /** Time limit of a command; if exceeded, Redis is not used for a while. */
  commandTimeoutMs?: number
  /** Called with the duration of each command. */
  observe?: (operation: string, seconds: number) => void
}

const DEFAULT_COMMAND_TIMEOUT_MS = 50
const PROBE_INTERVAL_MS = 500
/** Without other requests a late probe is less urgent. */
const PROBE_TIMEOUT_FACTOR = 5

/** Start and generation of a lookup. */
interface Moment {
  readonly startedAt: number
  readonly generation: string | undefined
}

/** The layer info cache that processes share in Redis. Repeated lookups are answered from memory; Redis sends
 *  invalidations (RESP3 client-side caching). Requests never wait for an unavailable Redis: while it is slow,
 *  gone or read-only, storage is asked. */
export class RedisDescriptorCache implements DescriptorCache {
  readonly counts: CacheCounts
  readonly #options: RedisCacheOptions
  readonly #memories: ProcessMemory
  readonly #connection: RedisConnection
  readonly #circuit: CircuitBreaker
  readonly #generation: Generation
  readonly #evictions: Evictions
  readonly #codec: EntryCodec
  readonly #warning: OccasionalWarning
  readonly #own = { hits: 0, errors: 0 }
  #emptiedAt = Number.NEGATIVE_INFINITY
  #whenReachable = Promise.withResolvers<void>()
  #isClosed = false

  constructor(options: RedisCacheOptions) {
    const { settings, secret, log, generationFile = NO_FILE } = options
    this.#options = options
    this.#memories = new ProcessMemory(options)
    this.counts = this.#memories.counts(this.#own)
    this.#codec = new EntryCodec(secret)
    this.#warning = new OccasionalWarning(log, 'Redis cannot be used: storage is asked instead')
    const connection = connectRedis(settings, {
      prefixes: ENTRY_PREFIXES,
      listener: {
        onChange: (key) => this.#dropChanged(key),
        onLost: () => this.#distrust(new Error('the connection to Redis was lost')),
        onError: (error) => this.#failed(error),
      },
    })
    this.#connection = connection
    const onEnd = (reason: Error) => this.#circuit.open(reason)
    this.#generation = new Generation({ connection, file: generationFile, onEnd })
    this.#circuit = this.#breaker()
    const [circuit, generation] = [this.#circuit, this.#generation]
    const onFailure = (error: unknown) => this.#commandFailed(error)
    this.#evictions = new Evictions({ connection, circuit, generation, onFailure })
    this.#circuit.probe()
  }

  /** Resolves once Redis is in use. */
  reachable(): Promise<void> {
    return this.#whenReachable.promise
  }

  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined {
    return this.#memory.getIfCached(set, digest)
  }

  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return this.#memory.findOr(source, digest, () => this.#lookUp(source, digest))
  }

  async writeThrough(
    set: ContentSet,
    digest: Digest,
    work: () => Promise<StoredContent>,
  ): Promise<StoredContent> {
    const moment = this.#now()
    const stored = await this.#memory.writeThrough(set, digest, work)
    const { canonical, descriptor } = stored
    const contentKey = contentEntryKey(set.kind, canonical)
    this.#write(memberEntryKey(memberKey(set, digest)), canonical, moment)
    const isWritten = this.#write(contentKey, encodeInfo(descriptor), { ...moment, isNew: false })
    // Redis may hold properties of the content that was damaged.
    if (!isWritten) this.#evictions.evictLater(contentKey)
    return stored
  }

  async evict(set: ContentSet, names: readonly Digest[]): Promise<void> {
    const keys = names.map((name) => memberKey(set, name))
    for (const key of keys) for (const memory of this.#memories.both) memory.drop(key)
    await this.#evictions.evict(keys.map(memberEntryKey))
  }

  async evictContent(canonical: Digest): Promise<void> {
    const kinds: ContentKind[] = ['blob', 'manifest']
    for (const memory of this.#memories.both) await memory.evictContent(canonical)
    await this.#evictions.evict(kinds.map((kind) => contentEntryKey(kind, canonical)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#circuit.stop()
    this.#generation.stop()
    this.#connection.close()
    for (const memory of this.#memories.both) await memory.close()
  }

  /** This process's valid memory. Detects that the process was suspended for too long. */
  get #memory(): MemoryDescriptorCache {
    if (performance.now() > this.#generation.believedUntil) this.#circuit.open(this.#generation.overdue())
    return this.#memories.inUse
  }

  #now(): Moment {
    return { startedAt: performance.now(), generation: this.#generation.name }
  }

  /** Looks up membership and properties in one round trip to Redis, and asks storage only for what is
   *  missing. */
  async #lookUp(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    const moment = this.#now()
    if (moment.generation === undefined) return this.#memory.ask(source, digest)
    const key = memberEntryKey(memberKey(source, digest))
    // A name by another algorithm needs a second round trip: its canonical digest is in the first answer.
    const described = algorithmOf(digest) === CANONICAL ? this.#describe(source, digest) : undefined
    const member = await this.#read(key)
    const isMember = member !== undefined && isDigest(member)
    const canonical = isMember ? member : await source.resolve(digest)
    if (canonical === undefined) return undefined
    const known = await (canonical === digest ? described : this.#describe(source, canonical))
    if (isMember && known !== undefined) this.#own.hits++
    const info = known ?? (await source.describe(canonical))
    if (info === undefined) return undefined
    if (!isMember) this.#write(key, canonical, moment)
    if (known === undefined) this.#write(contentEntryKey(source.kind, canonical), encodeInfo(info), moment)
    return storedContent(digest, canonical, info)
  }

  /** The properties of a canonical digest, from memory or Redis. */
  async #describe({ kind }: ContentSet, canonical: Digest): Promise<ContentInfo | undefined> {
    const near = this.#memory.describe(kind, canonical)
    if (near !== undefined) return near
    const content = await this.#read(contentEntryKey(kind, canonical))
    return content === undefined ? undefined : decodeInfo(content)
  }

  /** The content of an entry. Undefined if there is none, or it is unusable; it is removed then, so that
   *  storage's answer can be written in its place. */
  async #read(key: string): Promise<string | undefined> {
    try {
      const value = await this.#command('get', () => this.#connection.get(key))
      if (value === null || value === TOMBSTONE) return undefined
      const entry = this.#codec.decode(key, value, Date.now())
      if (entry === undefined) return await this.#removeForeign(key)
      if (entry.generation === this.#generation.name) return entry.content
      // Another process may be evicting it: an entry of another generation gets a tombstone, not a deletion.
      await this.#command('set', () => this.#evictions.bury(key))
    } catch (error) {
      if (isWrongType(error)) return this.#removeForeign(key)
      this.#commandFailed(error)
    }
    return undefined
  }

  /** Removes an entry that no process with the secret has written. */
  async #removeForeign(key: string): Promise<undefined> {
    this.#own.errors++
    try {
      await this.#command('delete', () => this.#connection.delete(key))
    } catch (error) {
      this.#commandFailed(error)
    }
  }

  /** Writes an entry in the background. Does not replace an existing entry or a tombstone.
   *  @returns false if it was not tried */
  #write(
    key: string,
    content: string,
    { startedAt, generation, isNew = true }: Moment & { isNew?: boolean },
  ): boolean {
    const isLate = performance.now() - startedAt > TOMBSTONE_TTL_MS / 2 || startedAt < this.#emptiedAt
    if (isLate || generation === undefined || generation !== this.#generation.name) return false
    const { ttlMs } = this.#options
    const value = this.#codec.encode(key, { content, generation }, Date.now() + ttlMs)
    this.#command('set', () => this.#connection.set(key, value, { ttlMs, isNew })).catch((error) =>
      this.#commandFailed(error),
    )
    return true
  }

  async #command<Result>(operation: string, send: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    try {
      return await this.#circuit.call(send)
    } finally {
      this.#options.observe?.(operation, (performance.now() - startedAt) / 1000)
    }
  }

  #commandFailed(error: unknown): void {
    if (isRefusal(error)) this.#distrust(error as Error)
    else this.#failed(error)
  }

  /** Stops using a Redis that may have lost data, or may not be the server that others use. */
  #distrust(reason: Error): void {
    this.#generation.doubt()
    this.#circuit.open(reason)
  }

  #failed(error: unknown): void {
    if (this.#isClosed || error instanceof CircuitOpenError) return
    this.#own.errors++
    this.#warning.warn(error)
  }

  #dropChanged(key: string | undefined): void {
    const [near] = this.#memories.both
    const name = key === undefined ? undefined : parseEntryKey(key)
    if (key === undefined) this.#dropAll()
    else if (name?.of === 'member') near?.drop(name.memberKey)
    else if (name?.of === 'content') near?.dropContent(name.kind, name.canonical)
  }

  /** Empties both memories, and notes the time, because tombstones are lost too. */
  #dropAll(): void {
    this.#emptiedAt = performance.now()
    for (const memory of this.#memories.both) memory.clear()
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
        this.#generation.leave()
        this.#memories.use('isolated')
        this.#whenReachable = Promise.withResolvers()
      },
      onClose: () => {
        this.#memories.use('near')
        this.#warning.end('Redis can be used again')
        this.#whenReachable.resolve()
      },
    })
  }

  async #probe(): Promise<void> {
    try {
      if (this.#evictions.pending > 0) await this.#evictions.retry()
      await this.#generation.check()
    } catch (error) {
      if (isRefusal(error)) this.#generation.doubt()
      const isPassing = error instanceof GenerationError && error.isPassing
      // If the circuit was closed, opening it is logged already.
      if (this.#circuit.isOpen && !isPassing && !isUnconnected(error)) this.#failed(error)
      throw error
    }
  }
}
