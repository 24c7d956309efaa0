import { setTimeout as delay } from 'node:timers/promises'
import type { Announcements } from '../../core/catalog/announcements.ts'
import type { IndexFigures } from '../../core/catalog/index-figures.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import { GrowingDelay } from '../../lib/growing-delay.ts'
import { CoalescedReads } from '../../lib/request-coalescing.ts'
import type { CatalogChanges } from '../sql/catalog-changes.ts'
import { Comparison, type ComparisonParts } from './comparison.ts'
import { Courtesy } from './courtesy.ts'
import { type Marked, Marks } from './marks.ts'
import { sweep } from './sweep.ts'

export interface FeederParts extends ComparisonParts {
  readonly changes: CatalogChanges
  readonly log: Log
  readonly figures: IndexFigures
  /** Between the end of a sweep and the begin of the next. Undefined if another process sweeps. */
  readonly sweepMs: number | undefined
  /** Undefined if there is no way to the other replicas but storage. */
  readonly announcements: Announcements | undefined
}

/** Keeps the index like storage: by the changes of this process, by those that others announce, and by sweeps. */
export class Feeder {
  readonly #parts: FeederParts
  readonly #comparison: Comparison
  readonly #whole: CoalescedReads<void>
  readonly #marks = new Marks()
  readonly #courtesy = new Courtesy()
  readonly #stopping = new AbortController()
  #following: Promise<void> | undefined
  #catchingUp: Promise<void> | undefined
  #sweeping: Promise<void> | undefined
  #isSweepDue = false
  #wake = () => {}

  constructor(parts: FeederParts) {
    this.#parts = parts
    this.#comparison = new Comparison(parts)
    this.#whole = new CoalescedReads((name) =>
      this.#comparison.repository(name as RepositoryName, this.#stopping.signal),
    )
    parts.announcements?.subscribe(
      (repository, tags) => this.#mark(repository, tags),
      () => this.#sweepNow(),
    )
  }

  /** Starts sweeping, at once. */
  start(): void {
    if (this.#parts.sweepMs !== undefined) this.#sweeping = this.#sweep(this.#parts.sweepMs)
  }

  /** Notes that the registry is used, so that a fill gives way. */
  requested(): void {
    this.#courtesy.noteRequest()
  }

  /** Notes a change of this process, once it is acknowledged. Never waits or throws. */
  changed(repository: RepositoryName, tags: readonly Tag[] | 'anything'): void {
    this.#mark(repository, tags)
    this.#parts.announcements?.publish(repository, tags)
  }

  /** Notes that this process has recorded pulls of the repositories. Never waits or throws. */
  pulled(repositories: Iterable<RepositoryName>): void {
    if (this.#stopping.signal.aborted) return
    this.#marks.addPulled(repositories)
    this.#following ??= this.#follow()
  }

  /** Compares a whole repository; the look begins after the call. */
  compare(repository: RepositoryName): Promise<void> {
    return this.#whole.read(repository)
  }

  /** Follows what other replicas have announced up to now. Undefined if nothing is to be waited for. Never rejects. */
  catchUp(): Promise<void> | undefined {
    if (this.#catchingUp !== undefined || this.#stopping.signal.aborted) return this.#catchingUp
    const heard = this.#parts.announcements?.catchUp()
    if (heard === undefined) return undefined
    this.#catchingUp = this.#followNews(heard).finally(() => {
      this.#catchingUp = undefined
    })
    return this.#catchingUp
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await this.#parts.announcements?.close()
    await this.#sweeping
    await this.#following
  }

  async #followNews(heard: Promise<boolean>): Promise<void> {
    if (await heard) await this.#following
  }

  #mark(repository: RepositoryName, tags: readonly Tag[] | 'anything'): void {
    if (this.#stopping.signal.aborted) return
    if (!this.#marks.add(repository, tags)) this.#isSweepDue = true
    this.#following ??= this.#follow()
  }

  /** Follows the changes, those of tags together. */
  async #follow(): Promise<void> {
    const { signal } = this.#stopping
    const retry = new GrowingDelay(RETRY_MS)
    // Those that come at the same time are looked at together.
    await delay(FOLLOW_MS, undefined, { ref: false })
    for (let marked = this.#marks.take(); marked !== undefined; marked = this.#marks.take()) {
      if (signal.aborted) return
      const repositories = 'tags' in marked ? [...marked.tags.keys()] : [marked.repository]
      try {
        await this.#look(marked)
        retry.reset()
      } catch (err) {
        if (signal.aborted) return
        this.#parts.figures.failures++
        this.#parts.log.warn({ repositories, err }, 'the index could not follow a change: it is tried again')
        // One by one, so that none holds back the others.
        for (const repository of repositories) this.#marks.add(repository, 'anything')
        await delay(retry.next(), undefined, { ref: false, signal }).catch(() => {})
      }
    }
    this.#following = undefined
  }

  async #look(marked: Marked): Promise<void> {
    if ('tags' in marked) return this.#lookAtTags(marked.tags)
    if (marked.changed === 'pulls') return this.#comparison.pulls(marked.repository)
    return this.compare(marked.repository)
  }

  async #lookAtTags(changed: ReadonlyMap<RepositoryName, ReadonlySet<Tag>>): Promise<void> {
    const known = await this.#parts.changes.has(changed.keys())
    const unknown = [...changed].filter(([repository]) => !known.has(repository))
    const tags = new Map([...changed].filter(([, some]) => some.size > 0))
    if (tags.size > 0) await this.#comparison.tags(tags)
    for (const [repository, some] of unknown) {
      if (some.size === 0) await this.compare(repository)
      else if (this.#parts.pulls !== undefined) await this.#comparison.pulls(repository)
    }
  }

  async #sweep(sweepMs: number): Promise<void> {
    const { registry, changes, figures, log } = this.#parts
    const { signal } = this.#stopping
    const retry = new GrowingDelay(RETRY_MS)
    while (!signal.aborted) {
      this.#isSweepDue = false
      let pauseMs = sweepMs
      const startedAt = Date.now() / 1000
      try {
        await sweep({
          ...{ registry, changes, signal, log },
          compare: (name) => this.compare(name),
          fill: (names, look) =>
            this.#comparison.repositories(names, { look, signal, courtesy: this.#courtesy }),
        })
        retry.reset()
        figures.sweeps++
        figures.lastSweepAt = startedAt
      } catch (err) {
        if (signal.aborted) return
        figures.failures++
        log.warn({ err }, 'the index could not be compared with storage: it is tried again')
        pauseMs = Math.min(sweepMs, retry.next())
      }
      await this.#pause(pauseMs)
    }
  }

  #sweepNow(): void {
    this.#isSweepDue = true
    this.#wake()
  }

  /** Waits, until a sweep is due. */
  async #pause(milliseconds: number): Promise<void> {
    if (this.#isSweepDue || this.#stopping.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, milliseconds).unref()
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }
}

const FOLLOW_MS = 50
const RETRY_MS = { first: 1_000, longest: 30_000 }
