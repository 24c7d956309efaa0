import type { Announcements, ChangedTags } from '../../core/catalog/announcements.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { Polling } from '../../lib/polling.ts'
import { ANNOUNCED_FOLDER, announcedChanges, announcedFile, announcedText } from './announced-files.ts'
import { Marks } from './marks.ts'
import { OwnAnnouncements } from './own-announcements.ts'

export interface StorageAnnouncementsOptions {
  readonly storage: Pick<StorageDriver, 'list' | 'get' | 'put' | 'delete'>
  /** A look at what others have announced is not repeated for so long. */
  readonly pollMs: number
  /** False if this process looks only when it is asked. */
  readonly listens: boolean
  /** False if nothing may be written. */
  readonly publishes: boolean
  readonly log: Log
  readonly timing?: Partial<AnnouncementTiming>
}

export interface AnnouncementTiming {
  /** Changes within this time are announced together. */
  readonly gatherMs: number
  /** Between two looks that nobody asked for. */
  readonly lookMs: number
  /** How long changes stay announced: several looks. */
  readonly keptMs: number
  /** Files that do not change for so long are of a process that has ended: whoever sees them removes them. */
  readonly abandonedMs: number
}

const MINUTE_MS = 60_000
const TIMING: AnnouncementTiming = {
  gatherMs: 250,
  lookMs: MINUTE_MS,
  keptMs: 5 * MINUTE_MS,
  abandonedMs: 10 * MINUTE_MS,
}
/** Files change their names while they are listed. */
const LOOKS = 3
const CONCURRENCY = 8

/** Announcements as files on storage, for replicas without Redis. Who is asked looks at them before it answers; beside
 *  that, one look a minute is enough to miss nothing. */
export class StorageAnnouncements implements Announcements {
  readonly #options: StorageAnnouncementsOptions
  readonly #timing: AnnouncementTiming
  readonly #own: OwnAnnouncements
  readonly #upkeep: Polling
  readonly #pending = new Marks()
  #apply: (repository: RepositoryName, tags: ChangedTags) => void = () => {}
  #onMissed = () => {}
  /** The number of changes that were read of each file. */
  #read = new Map<string, number>()
  /** When each name was first seen. */
  #names = new Map<string, number>()
  #lookedAt = performance.now()
  #looking: Promise<boolean> | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #isFailing = false

  constructor(options: StorageAnnouncementsOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#own = new OwnAnnouncements(options.storage)
    this.#upkeep = new Polling(() => this.#keepUp(), this.#timing.lookMs)
  }

  publish(repository: RepositoryName, tags: ChangedTags): void {
    if (!this.#options.publishes) return
    this.#pending.add(repository, tags)
    this.#timer ??= setTimeout(() => this.#writeSoon(), this.#timing.gatherMs).unref()
  }

  subscribe(apply: (repository: RepositoryName, tags: ChangedTags) => void, onMissed: () => void): void {
    this.#apply = apply
    this.#onMissed = onMissed
    this.#upkeep.start()
  }

  catchUp(): Promise<boolean> | undefined {
    const isDue = performance.now() - this.#lookedAt >= this.#options.pollMs
    return isDue ? this.#look() : this.#looking
  }

  /** Announces what is still to be. What others may not have seen yet stays, for them to remove. */
  async close(): Promise<void> {
    this.#upkeep.stop()
    clearTimeout(this.#timer)
    if (this.#timer !== undefined) this.#writeSoon()
    this.#removeSoon(2 * this.#timing.lookMs)
    await this.#writing
    await this.#looking
  }

  /** Writes and removals of own files, one after the other. */
  #soon(work: () => Promise<void>): void {
    this.#writing = this.#writing.then(work).catch((error) => this.#failed(error))
  }

  #writeSoon(): void {
    this.#timer = undefined
    this.#soon(() => this.#own.add(this.#takePending()))
  }

  #removeSoon(unchangedMs: number): void {
    this.#soon(() => this.#own.removeOld(unchangedMs))
  }

  #takePending(): string[] {
    const changes: string[] = []
    for (let next = this.#pending.take(); next !== undefined; next = this.#pending.take()) {
      if ('tags' in next)
        for (const [repository, tags] of next.tags) changes.push(announcedText(repository, [...tags]))
      else changes.push(announcedText(next.repository, 'anything'))
    }
    return changes
  }

  async #keepUp(): Promise<void> {
    this.#removeSoon(this.#timing.keptMs)
    if (this.#options.listens) await this.#look()
  }

  /** @returns true if something is new */
  #look(): Promise<boolean> {
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #lookNow(): Promise<boolean> {
    const now = performance.now()
    // Files may have come and gone meanwhile.
    if (this.#options.listens && now - this.#lookedAt > this.#timing.keptMs - this.#timing.lookMs)
      this.#onMissed()
    this.#lookedAt = now
    let isNews = false
    try {
      for (let looks = 1, isSettled = false; !isSettled && looks <= LOOKS; looks++) {
        isSettled = true
        const work = (file: [string, number]) => this.#readNews(file)
        for await (const found of mapInOrder(await this.#list(), { concurrency: CONCURRENCY, work })) {
          isNews ||= found === 'news'
          isSettled &&= found !== 'gone'
        }
      }
      if (this.#isFailing) this.#options.log.info({}, 'other replicas’ changes are followed again')
      this.#isFailing = false
    } catch (error) {
      this.#failed(error)
    }
    return isNews
  }

  /** The others' files, each with its number of changes. */
  async #list(): Promise<Map<string, number>> {
    const [files, names] = [new Map<string, number>(), new Map<string, number>()]
    const now = performance.now()
    for await (const { name, kind } of this.#options.storage.list(ANNOUNCED_FOLDER)) {
      const file = announcedFile(name)
      if (kind !== 'file' || file === undefined || this.#own.has(file.key)) continue
      const since = this.#names.get(name) ?? now
      names.set(name, since)
      if (now - since > this.#timing.abandonedMs) await this.#removeAbandoned(name)
      else files.set(file.key, Math.max(file.changes, files.get(file.key) ?? 0))
    }
    this.#names = names
    this.#read = new Map([...this.#read].filter(([key]) => files.has(key)))
    return files
  }

  async #readNews([key, changes]: readonly [string, number]): Promise<'news' | 'gone' | undefined> {
    const known = this.#read.get(key) ?? 0
    if (changes <= known) return undefined
    try {
      const content = await this.#options.storage.get(`${ANNOUNCED_FOLDER}/${key}-${changes}`)
      this.#read.set(key, changes)
      for (const change of announcedChanges(content).slice(known))
        if (change !== undefined) this.#apply(...change)
      return 'news'
    } catch (error) {
      if (!isPathNotFound(error)) throw error
      return 'gone'
    }
  }

  async #removeAbandoned(name: string): Promise<void> {
    if (this.#options.publishes)
      await this.#options.storage.delete(`${ANNOUNCED_FOLDER}/${name}`, { durable: false })
  }

  #failed(err: unknown): void {
    if (this.#isFailing) return
    this.#isFailing = true
    const message = 'changes are not exchanged with other replicas; their indexes follow by the sweep'
    this.#options.log.warn({ err }, message)
  }
}
