/** Generations of Redis's entries. Each entry belongs to one; the valid one is named both in Redis and in a
 *  file on the storage, and every process compares the two. While they agree, all deleted content was evicted
 *  from this Redis. A process that cannot be sure of that ends the generation for all. See
 *  docs/decisions/013-generations-of-the-cache-in-redis.md. */
import { randomUUID } from 'node:crypto'
import { type RedisConnection, replaceOrDelete } from './connection.ts'
import { CLAIM_KEY, GENERATION_KEY, HEARTBEAT_KEY, PROBE_KEY } from './keys.ts'

/** The file on the storage, which all processes share even if one cannot reach Redis. Linearizable. */
export interface GenerationFile {
  /** False if the storage is read-only: other processes must begin the generation then. */
  readonly isWritable: boolean
  /** Undefined if it was never written. */
  read(): Promise<string | undefined>
  /** Durable once it resolves. */
  write(content: string): Promise<void>
}

/** For processes that share only Redis. */
export const NO_FILE: GenerationFile = {
  isWritable: false,
  read: async () => undefined,
  write: async () => {},
}

export interface GenerationOptions {
  readonly connection: RedisConnection
  readonly file: GenerationFile
  /** Called when this process must stop to trust its generation. */
  readonly onEnd: (reason: GenerationError) => void
}

/** The reason why Redis is not trusted although it answers. */
export class GenerationError extends Error {
  override readonly name = 'GenerationError'
  /** True if it passes within seconds, as at each start. */
  readonly isPassing: boolean

  constructor(message: string, { isPassing = false } = {}) {
    super(message)
    this.isPassing = isPassing
  }
}

/** Time for which a generation is trusted after storage has confirmed it. */
export const BELIEF_MS = 5_000
const COMPARE_INTERVAL_MS = 2_000
/** Several times the interval of the checks. */
const HEARTBEAT_TTL_MS = 2_000
const CLAIM_TTL_MS = 2_000
/** Content of the file if no generation is valid. */
const ENDED = 'ended'

const NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export class Generation {
  readonly #options: GenerationOptions
  readonly #timer: NodeJS.Timeout
  /** The generation that this process joined last. */
  #joined: string | undefined
  #isBelieved = false
  #believedUntil = Number.POSITIVE_INFINITY
  /** Number of doubts whether this Redis is the one that others use, with all its data. */
  #doubts = 1
  /** Number of those doubts that were settled. */
  #settledDoubts = 0
  #lastHeartbeat: string | null = null
  #isComparing = false

  constructor(options: GenerationOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#compare(), COMPARE_INTERVAL_MS).unref()
  }

  /** The generation that this process trusts. Undefined if there is none. */
  get name(): string | undefined {
    return this.#isBelieved ? this.#joined : undefined
  }

  /** Limit by `performance.now()`. Later, entries from Redis are not trusted. */
  get believedUntil(): number {
    return this.#believedUntil
  }

  /** The reason for the end of that trust. */
  overdue(): GenerationError {
    return new GenerationError(`the generation was not confirmed by storage for ${BELIEF_MS} ms`)
  }

  /** Must be called if the connection was lost or Redis refused a command: it may have been restarted with
   *  older data, or replaced by another server. */
  doubt(): void {
    this.#doubts++
    this.#lastHeartbeat = null
  }

  /** Trusts nothing until the next check. */
  leave(): void {
    this.#isBelieved = false
    this.#believedUntil = Number.POSITIVE_INFINITY
  }

  stop(): void {
    clearInterval(this.#timer)
    this.leave()
  }

  /** Checks that Redis takes writes, and that a generation is valid that this process may trust.
   *  @throws GenerationError if not, or not yet; the errors of Redis or the storage */
  async check(): Promise<void> {
    if (this.#isBelieved) await this.#stay()
    else await this.#join()
  }

  /** True if no process will trust entries from before now. */
  async isEnded(): Promise<boolean> {
    return (await this.#options.file.read()) === ENDED
  }

  /** Makes an eviction valid for all processes. If Redis has not taken it, or is not the Redis of all, the
   *  generation ends: all processes stop to trust it within `BELIEF_MS`, even if this one ends.
   *  @throws the storage's error; then neither is certain */
  async confirmEviction({ isTaken }: { isTaken: boolean }): Promise<void> {
    const stored = await this.#options.file.read()
    if (stored === ENDED || (isTaken && !this.#isDoubtful && isJoined(stored, this.#joined))) return
    await this.#options.file.write(ENDED)
    this.#options.onEnd(new GenerationError('this process could not evict deleted content for all'))
  }

  get #isDoubtful(): boolean {
    return this.#doubts !== this.#settledDoubts
  }

  async #join(): Promise<void> {
    const { connection, file } = this.#options
    const doubts = this.#doubts
    await replaceOrDelete(connection, PROBE_KEY, { value: '', ttlMs: HEARTBEAT_TTL_MS })
    const keys = [GENERATION_KEY, HEARTBEAT_KEY]
    const [inRedis = null, heartbeat = null] = await Promise.all(keys.map((key) => connection.get(key)))
    let confirmedAt = performance.now()
    const stored = await file.read()
    let name = agreed(stored, inRedis)
    if (name !== undefined && this.#isDoubtful && !this.#hearsOthers(name, heartbeat)) name = undefined
    if (name === undefined) {
      await this.#claim(stored)
      name = randomUUID()
      await connection.set(GENERATION_KEY, name)
      confirmedAt = performance.now()
      if (file.isWritable) await file.write(name)
    }
    await this.#beat(name)
    if (doubts !== this.#doubts) throw new GenerationError('the connection was lost', { isPassing: true })
    this.#joined = name
    this.#isBelieved = true
    this.#settledDoubts = doubts
    this.#believeFrom(confirmedAt)
  }

  /** True if another process that trusts the generation is connected to this Redis: its heartbeat has changed
   *  since this one connected. Without any heartbeat no process is running.
   *  @throws GenerationError while that is unknown */
  #hearsOthers(name: string, heartbeat: string | null): boolean {
    const before = this.#lastHeartbeat
    this.#lastHeartbeat = heartbeat
    if (heartbeat === null) return false
    if (before !== null && before !== heartbeat && heartbeat.startsWith(name)) return true
    throw new GenerationError('another process may be using this Redis', { isPassing: true })
  }

  /** Begins a generation, one process at a time. */
  async #claim(stored: string | undefined): Promise<void> {
    const { connection, file } = this.#options
    if (!file.isWritable && stored !== undefined)
      throw new GenerationError('the storage is read-only: another process must begin a generation')
    if (!(await connection.set(CLAIM_KEY, '', { ttlMs: CLAIM_TTL_MS, isNew: true })))
      throw new GenerationError('another process begins a generation', { isPassing: true })
  }

  async #stay(): Promise<void> {
    const { connection } = this.#options
    const name = this.#joined as string
    if (performance.now() > this.#believedUntil) throw this.overdue()
    const [inRedis] = await Promise.all([connection.get(GENERATION_KEY), this.#beat(name)])
    // Redis was emptied, so no older entries exist.
    if (inRedis === null) await connection.set(GENERATION_KEY, name, { isNew: true })
    else if (inRedis !== name) throw new GenerationError('another process has begun a generation')
  }

  async #beat(name: string): Promise<void> {
    const value = `${name} ${randomUUID()}`
    await replaceOrDelete(this.#options.connection, HEARTBEAT_KEY, { value, ttlMs: HEARTBEAT_TTL_MS })
  }

  async #compare(): Promise<void> {
    if (!this.#isBelieved || this.#isComparing) return
    this.#isComparing = true
    const name = this.#joined
    const startedAt = performance.now()
    try {
      const stored = await this.#options.file.read()
      if (!this.#isBelieved || name !== this.#joined) return
      if (isJoined(stored, name)) this.#believeFrom(startedAt)
      else this.#options.onEnd(new GenerationError('another process could not evict deleted content for all'))
    } catch {
      // If storage does not answer, the trust expires by itself.
    } finally {
      this.#isComparing = false
    }
  }

  #believeFrom(confirmedAt: number): void {
    const isUnlimited = this.#options.file === NO_FILE
    this.#believedUntil = isUnlimited ? Number.POSITIVE_INFINITY : confirmedAt + BELIEF_MS
  }
}

/** The generation that both places name. If the file was never written, Redis alone decides. */
function agreed(stored: string | undefined, inRedis: string | null): string | undefined {
  if (inRedis === null || !NAME.test(inRedis)) return undefined
  return isJoined(stored, inRedis) ? inRedis : undefined
}

function isJoined(stored: string | undefined, name: string | undefined): boolean {
  return name !== undefined && (stored === undefined || stored === name)
}
