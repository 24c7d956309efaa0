import type { Announcements, ChangedTags } from '../../core/catalog/announcements.ts'
import type { Log } from '../../core/log.ts'
import { isRepositoryName, isTag, type RepositoryName } from '../../core/reference.ts'
import { connectRedis, isUnconnected, type RedisConnection } from './connection.ts'
import { ANNOUNCEMENT_PREFIX } from './keys.ts'
import { OccasionalWarning } from './occasional-warning.ts'
import type { RedisSettings } from './settings.ts'

export interface AnnouncementsOptions {
  readonly settings: RedisSettings
  /** False if this process only publishes. */
  readonly listens: boolean
  readonly log: Log
  /** Between two reports that something may have been missed. Default: half a minute. */
  readonly missedMs?: number
}

/** The keys expire soon: nobody reads them. */
const LIFETIME_MS = 5_000
/** More tags than this are announced as a change of anything. */
const MAX_TAGS = 50
/** Announcements that Redis has not taken yet. Further ones are dropped. */
const MAX_PENDING = 1_000
const MISSED_MS = 30_000
/** A connection reports changes so long after it has begun to ask for that. */
const SETTLE_MS = 500

/** Announcements as keys in Redis, whose names say what has changed: Redis tells every other client of a key that is set
 *  (client-side caching in broadcasting mode). So they need no more rights than the cache has, and work with every
 *  shape of Redis that it works with. */
export class RedisAnnouncements implements Announcements {
  readonly #connection: RedisConnection
  readonly #warning: OccasionalWarning
  readonly #options: AnnouncementsOptions
  #apply: ((repository: RepositoryName, tags: ChangedTags) => void) | undefined
  #onMissed = () => {}
  #pending = 0
  #wasLost = false
  #reportedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(options: AnnouncementsOptions) {
    this.#options = options
    this.#warning = new OccasionalWarning(
      options.log,
      'changes are not announced to other replicas; their indexes follow by the sweep',
    )
    this.#connection = connectRedis(options.settings, {
      prefixes: [ANNOUNCEMENT_PREFIX],
      listener: {
        onChange: (key) => this.#heard(key),
        onConnect: () => this.#connected(),
        onLost: () => {
          this.#wasLost = true
        },
        onError: (error) => this.#warning.warn(error),
      },
    })
  }

  publish(repository: RepositoryName, tags: ChangedTags): void {
    for (const key of keysOf(repository, tags)) {
      if (this.#pending >= MAX_PENDING) return
      this.#pending++
      this.#connection
        .set(key, '', { ttlMs: LIFETIME_MS })
        .catch((error) => {
          // The listener was told why there is no connection.
          if (!isUnconnected(error)) this.#warning.warn(error)
        })
        .finally(() => this.#pending--)
    }
  }

  subscribe(apply: (repository: RepositoryName, tags: ChangedTags) => void, onMissed: () => void): void {
    if (!this.#options.listens) return
    this.#apply = apply
    this.#onMissed = onMissed
  }

  /** Redis tells of each change at once. */
  catchUp(): undefined {
    return undefined
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#connection.close()
  }

  #heard(key: string | undefined): void {
    if (this.#apply === undefined || !key?.startsWith(ANNOUNCEMENT_PREFIX)) return
    const [repository = '', tag, ...rest] = key.slice(ANNOUNCEMENT_PREFIX.length).split(':')
    // Other clients of Redis may set any key.
    if (!isRepositoryName(repository) || rest.length > 0) return
    if (tag === undefined) this.#apply(repository, 'anything')
    else if (tag === '') this.#apply(repository, [])
    else if (isTag(tag)) this.#apply(repository, [tag])
  }

  #connected(): void {
    if (!this.#wasLost) return
    this.#wasLost = false
    this.#warning.end('changes are announced to other replicas again')
    const dueMs = this.#reportedAt + (this.#options.missedMs ?? MISSED_MS) - performance.now()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        this.#reportedAt = performance.now()
        this.#onMissed()
      },
      Math.max(SETTLE_MS, dueMs),
    ).unref()
  }
}

function keysOf(repository: RepositoryName, tags: ChangedTags): readonly string[] {
  const key = `${ANNOUNCEMENT_PREFIX}${repository}`
  if (tags === 'anything' || tags.length > MAX_TAGS) return [key]
  return tags.length === 0 ? [`${key}:`] : tags.map((tag) => `${key}:${tag}`)
}
