/** Which of the entries in Redis are believed. Each is made in a generation. The name of the one that is in force stands
 *  in two places, in Redis and in a file on the storage, and every process compares them. While both name the same,
 *  whatever was deleted has been evicted from this Redis. Whoever cannot be sure of that ends the generation for all. */
import { randomUUID } from 'node:crypto'
import { type RedisConnection, replaceOrDelete } from './connection.ts'
import { CLAIM_KEY, GENERATION_KEY, HEARTBEAT_KEY, PROBE_KEY } from './keys.ts'

/** The place that all processes share even when one of them cannot reach Redis. It says what was written last, whoever
 *  wrote it. */
export interface GenerationFile {
  /** False where nothing may be written: this process then leaves it to others to begin a generation. */
  readonly isWritable: boolean
  /** Undefined where nobody ever wrote it. */
  read(): Promise<string | undefined>
  /** Durable when it is fulfilled. */
  write(content: string): Promise<void>
}

/** For processes that can only be in agreement by Redis itself. */
export const NO_FILE: GenerationFile = {
  isWritable: false,
  read: async () => undefined,
  write: async () => {},
}

export interface GenerationOptions {
  readonly connection: RedisConnection
  readonly file: GenerationFile
  /** Called when this process must not believe in its generation any more. */
  readonly onEnd: (reason: GenerationError) => void
}

/** Why nothing in Redis is believed although Redis answers. */
export class GenerationError extends Error {
  override readonly name = 'GenerationError'
  /** True for what is over within some seconds, and happens at each start. */
  readonly isPassing: boolean

  constructor(message: string, { isPassing = false } = {}) {
    super(message)
    this.isPassing = isPassing
  }
}

/** How long a generation is believed in after the storage named it last. */
export const BELIEF_MS = 5_000
const COMPARE_INTERVAL_MS = 2_000
/** Several times the interval of the checks. */
const HEARTBEAT_TTL_MS = 2_000
const CLAIM_TTL_MS = 2_000
/** What the file says when no generation is in force. */
const ENDED = 'ended'

const NAME = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export class Generation {
  readonly #options: GenerationOptions
  readonly #timer: NodeJS.Timeout
  /** The one that this process joined last. */
  #joined: string | undefined
  #isBelieved = false
  #believedUntil = Number.POSITIVE_INFINITY
  /** How often it became doubtful whether this Redis is the one that the others use, with all that it was ever told, */
  #doubts = 1
  /** and how many of these doubts were settled. */
  #settledDoubts = 0
  #lastHeartbeat: string | null = null
  #isComparing = false

  constructor(options: GenerationOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#compare(), COMPARE_INTERVAL_MS).unref()
  }

  /** The one that this process believes in; undefined while there is none. */
  get name(): string | undefined {
    return this.#isBelieved ? this.#joined : undefined
  }

  /** On the clock of `performance.now()`. Later, what was learned from Redis counts for nothing. */
  get believedUntil(): number {
    return this.#believedUntil
  }

  /** Why it is not believed in beyond that. */
  overdue(): GenerationError {
    return new GenerationError(`the storage has not named the generation for ${BELIEF_MS} ms`)
  }

  /** To be called when the connection was lost or Redis refused something: it may have been restarted with less than it
   *  had, or another may have taken its place. */
  doubt(): void {
    this.#doubts++
    this.#lastHeartbeat = null
  }

  /** Believes in nothing until the next check. */
  leave(): void {
    this.#isBelieved = false
    this.#believedUntil = Number.POSITIVE_INFINITY
  }

  stop(): void {
    clearInterval(this.#timer)
    this.leave()
  }

  /** Makes sure that Redis takes writes, and that a generation is in force in which this process may believe.
   *  @throws GenerationError when it may not, or not yet; or what Redis or the storage fails with */
  async check(): Promise<void> {
    if (this.#isBelieved) await this.#stay()
    else await this.#join()
  }

  /** Whether nobody begins to believe what was looked up before now. */
  async isEnded(): Promise<boolean> {
    return (await this.#options.file.read()) === ENDED
  }

  /** Makes an eviction one for all, whatever becomes of this process. When Redis has not taken it, or is not the Redis of
   *  all, the generation ends: everybody stops to believe in it within `BELIEF_MS`.
   *  @throws what the storage fails with: then it is neither */
  async confirmEviction({ isTaken }: { isTaken: boolean }): Promise<void> {
    const stored = await this.#options.file.read()
    if (stored === ENDED || (isTaken && !this.#isDoubtful && isJoined(stored, this.#joined))) return
    await this.#options.file.write(ENDED)
    this.#options.onEnd(new GenerationError('this process could not tell all others what it deleted'))
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

  /** Whether somebody who believes in the generation, and has all the time, writes to this very Redis: a heartbeat has
   *  changed since this process is connected. Where there is none, nobody is at work.
   *  @throws GenerationError while that cannot be told yet */
  #hearsOthers(name: string, heartbeat: string | null): boolean {
    const before = this.#lastHeartbeat
    this.#lastHeartbeat = heartbeat
    if (heartbeat === null) return false
    if (before !== null && before !== heartbeat && heartbeat.startsWith(name)) return true
    throw new GenerationError('another process may be using this Redis', { isPassing: true })
  }

  /** One process at a time begins a generation. */
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
    // Redis was emptied. What is older is nowhere any more.
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
      else this.#options.onEnd(new GenerationError('another process could not tell all what it deleted'))
    } catch {
      // Whatever keeps the storage from answering: the belief ends by itself.
    } finally {
      this.#isComparing = false
    }
  }

  #believeFrom(confirmedAt: number): void {
    const isUnlimited = this.#options.file === NO_FILE
    this.#believedUntil = isUnlimited ? Number.POSITIVE_INFINITY : confirmedAt + BELIEF_MS
  }
}

/** The generation that both places name. Where nothing was ever stored, Redis alone counts. */
function agreed(stored: string | undefined, inRedis: string | null): string | undefined {
  if (inRedis === null || !NAME.test(inRedis)) return undefined
  return isJoined(stored, inRedis) ? inRedis : undefined
}

function isJoined(stored: string | undefined, name: string | undefined): boolean {
  return name !== undefined && (stored === undefined || stored === name)
}
