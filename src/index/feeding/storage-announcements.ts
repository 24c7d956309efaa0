import { randomUUID } from 'node:crypto'
import type { Announcements, ChangedTags } from '../../core/catalog/announcements.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { Polling } from '../../lib/polling.ts'
import { Marks } from './marks.ts'

export interface StorageAnnouncementsOptions {
  readonly storage: Pick<StorageDriver, 'list' | 'get' | 'put' | 'delete'>
  /** Between two listings of what others have announced. */
  readonly pollMs: number
  /** False if this process only publishes. */
  readonly listens: boolean
  /** False if nothing may be written. */
  readonly publishes: boolean
  /** How long a file stays. Default: a minute. */
  readonly lifetimeMs?: number
  readonly log: Log
}

/** Distribution ignores it. */
const FOLDER = '/docker/registry/v2/maintenance/index-changes'
/** Changes within this time are announced together. */
const GATHER_MS = 200
/** A file stays so long, for those who list seldom. */
const LIFETIME_MS = 60_000
/** Files of processes that have ended are removed after this time, by whoever sees them. */
const ABANDONED_MS = 10 * 60_000
/** Repositories announced by one file. */
const MAX_REPOSITORIES = 1_000

/** Announcements as files on storage, for replicas without Redis: `<time>-<process>-<number>`, a JSON array of
 *  `[repository, tags]`. A file is written once, so that a listing says what is new; its writer removes it later. */
export class StorageAnnouncements implements Announcements {
  readonly #options: StorageAnnouncementsOptions
  readonly #process = randomUUID()
  readonly #polling: Polling
  readonly #pending = new Marks()
  /** Files of this process that are still there, oldest first. */
  readonly #own: { readonly path: string; readonly writtenAt: number }[] = []
  #apply: (repository: RepositoryName, tags: ChangedTags) => void = () => {}
  #onMissed = () => {}
  #seen: ReadonlySet<string> = new Set()
  #number = 0
  #polledAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #writing = Promise.resolve()
  #isFailing = false

  constructor(options: StorageAnnouncementsOptions) {
    this.#options = options
    this.#polling = new Polling(() => this.#poll(), options.pollMs)
  }

  publish(repository: RepositoryName, tags: ChangedTags): void {
    if (!this.#options.publishes) return
    this.#pending.add(repository, tags)
    this.#timer ??= setTimeout(() => this.#writeSoon(), GATHER_MS).unref()
  }

  subscribe(apply: (repository: RepositoryName, tags: ChangedTags) => void, onMissed: () => void): void {
    if (!this.#options.listens) return
    this.#apply = apply
    this.#onMissed = onMissed
    this.#polling.start()
  }

  /** Announces what is still to be. */
  async close(): Promise<void> {
    this.#polling.stop()
    clearTimeout(this.#timer)
    if (this.#timer !== undefined) this.#writeSoon()
    await this.#writing
  }

  #writeSoon(): void {
    this.#timer = undefined
    this.#writing = this.#writing.then(() => this.#write()).catch((error) => this.#failed(error))
  }

  async #write(): Promise<void> {
    for (let changes = this.#take(); changes.length > 0; changes = this.#take()) {
      const path = `${FOLDER}/${Date.now()}-${this.#process}-${++this.#number}`
      const content = Buffer.from(JSON.stringify(changes))
      await this.#options.storage.put(path, content, { durable: false })
      this.#own.push({ path, writtenAt: performance.now() })
    }
    await this.#removeOld()
  }

  #take(): [RepositoryName, readonly Tag[] | null][] {
    const changes: [RepositoryName, readonly Tag[] | null][] = []
    for (let next = this.#pending.take(); next !== undefined; next = this.#pending.take()) {
      const { repository, mark } = next
      changes.push([repository, typeof mark === 'string' ? null : [...mark]])
      if (changes.length === MAX_REPOSITORIES) break
    }
    return changes
  }

  async #removeOld(): Promise<void> {
    const before = performance.now() - (this.#options.lifetimeMs ?? LIFETIME_MS)
    for (
      let oldest = this.#own[0];
      oldest !== undefined && oldest.writtenAt < before;
      oldest = this.#own[0]
    ) {
      await this.#remove(oldest.path)
      this.#own.shift()
    }
  }

  async #poll(): Promise<void> {
    try {
      const names = new Set<string>()
      for await (const { name, kind } of this.#options.storage.list(FOLDER)) {
        if (kind !== 'file' || !NAME.test(name) || name.includes(this.#process)) continue
        names.add(name)
        if (Date.now() - Number.parseInt(name, 10) > ABANDONED_MS) await this.#remove(`${FOLDER}/${name}`)
        else if (!this.#seen.has(name)) await this.#read(name)
      }
      this.#seen = names
      const now = performance.now()
      // Files may have come and gone meanwhile.
      if (now - this.#polledAt > LIFETIME_MS / 2) this.#onMissed()
      this.#polledAt = now
      if (this.#isFailing) this.#options.log.info({}, 'other replicas’ changes are followed again')
      this.#isFailing = false
      await this.#removeOld()
    } catch (error) {
      this.#failed(error)
    }
  }

  async #read(name: string): Promise<void> {
    try {
      const content = await this.#options.storage.get(`${FOLDER}/${name}`)
      for (const [repository, tags] of changesIn(content)) this.#apply(repository, tags)
    } catch (error) {
      if (!isPathNotFound(error)) throw error
    }
  }

  async #remove(path: string): Promise<void> {
    if (this.#options.publishes) await this.#options.storage.delete(path, { durable: false })
  }

  #failed(err: unknown): void {
    if (this.#isFailing) return
    this.#isFailing = true
    const message = 'changes are not exchanged with other replicas; their indexes follow by the sweep'
    this.#options.log.warn({ err }, message)
  }
}

const NAME = /^\d{13,15}-[0-9a-f-]{36}-\d+$/

/** Everybody who may write to the storage may write such a file, so anything else is left out. */
function changesIn(content: Uint8Array): [RepositoryName, ChangedTags][] {
  let changes: unknown
  try {
    changes = JSON.parse(Buffer.from(content).toString())
  } catch {
    return []
  }
  if (!Array.isArray(changes)) return []
  return changes.slice(0, MAX_REPOSITORIES).flatMap((change): [RepositoryName, ChangedTags][] => {
    const [repository, tags] = Array.isArray(change) ? change : []
    if (typeof repository !== 'string' || !isRepositoryName(repository)) return []
    return [[repository, Array.isArray(tags) ? tags.filter(isTagName) : 'anything']]
  })
}

function isTagName(value: unknown): value is Tag {
  return typeof value === 'string' && isTag(value)
}
