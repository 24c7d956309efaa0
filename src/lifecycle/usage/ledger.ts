import type {
  QuotaState,
  RepositoryUsage,
  TagUsage,
  Usage,
  UsageFigures,
} from '../../core/lifecycle/usage.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { organisationOf } from './count.ts'
import type { QuotaRules, Scope } from './quotas.ts'
import { type Change, type Changes, sumOf, type Totals, type UsageFiles } from './usage-files.ts'
import { UsageSums } from './usage-sums.ts'

export interface LedgerOptions {
  readonly files: UsageFiles
  readonly quotas: QuotaRules
  readonly log: Log
  /** How old what other processes say may be, and how soon they hear of this one, in milliseconds. Default: a second. */
  readonly delayMs?: number
}

const DELAY_MS = 1_000
/** A file is written anew after this time, so that it is seen to be in use. */
const RENEWAL_MS = 3_600_000

/** What is used: what was counted last, and what all processes have changed since. Each adds up its own changes; nobody waits for
 *  another one. */
export class UsageLedger implements Usage {
  readonly #options: LedgerOptions
  readonly #delayMs: number
  #totals: Totals | undefined
  #others = new Map<string, Change>()
  /** What was counted last, with what others have changed since, and without what was counted of this process's changes. */
  #known = new UsageSums()
  readonly #own = new Map<string, Change>()
  readonly #ownSums = new UsageSums()
  /** What is being pushed. */
  readonly #reserved = new UsageSums()
  #readAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #renewal: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: LedgerOptions) {
    this.#options = options
    this.#delayMs = options.delayMs ?? DELAY_MS
  }

  /** @returns false if nothing was ever counted */
  async begin(): Promise<boolean> {
    this.#renewal = setInterval(() => this.#own.size > 0 && this.#writeLater(), RENEWAL_MS).unref()
    await this.refresh()
    return this.#totals !== undefined
  }

  /** Reads what others have changed, unless that was done a moment ago. */
  async refresh({ force = false } = {}): Promise<void> {
    if (!force && performance.now() - this.#readAt < this.#delayMs) return
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  /** What a scope uses, as of the last `refresh`, with what is being pushed by this process. */
  used(scope: Scope): UsageFigures {
    const parts = [this.#known.of(scope), this.#ownSums.of(scope), this.#reserved.of(scope)]
    const sum = (what: 'bytes' | 'tags') =>
      Math.max(
        0,
        parts.reduce((total, part) => total + part[what], 0),
      )
    return { bytes: sum('bytes'), tags: sum('tags') }
  }

  /** @param change.organisationBytes by default all */
  change(
    repository: RepositoryName,
    {
      bytes = 0,
      tags = 0,
      organisationBytes = bytes,
    }: Partial<UsageFigures> & { organisationBytes?: number },
  ): void {
    if (bytes === 0 && tags === 0) return
    const change: Change = [bytes, tags, organisationBytes]
    this.#own.set(repository, sumOf(this.#own.get(repository), change))
    this.#ownSums.add(repository, change)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#writeLater()
    }, this.#delayMs).unref()
  }

  /** Lets something count as used that is not there yet.
   *  @returns ends that */
  reserve(
    repository: RepositoryName,
    { bytes, tags, organisationBytes = bytes }: UsageFigures & { organisationBytes?: number },
  ): () => void {
    const reserved: Change = [bytes, tags, organisationBytes]
    this.#reserved.add(repository, reserved)
    return () => this.#reserved.add(repository, reserved, -1)
  }

  async stop(): Promise<void> {
    clearInterval(this.#renewal)
    clearTimeout(this.#timer)
    if (this.#own.size > 0) this.#writeLater()
    await this.#writing
  }

  async countedAt(): Promise<string | undefined> {
    await this.refresh()
    return this.#totals?.countedAt
  }

  async repository(name: RepositoryName): Promise<RepositoryUsage | undefined> {
    await this.refresh()
    const counted = this.#totals?.repositories.find((one) => one.name === name)
    if (counted === undefined && !this.#own.has(name) && !this.#others.has(name)) return undefined
    const { manifests = 0, ownBytes = 0 } = counted ?? {}
    return { name, ...this.used({ kind: 'repository', name }), manifests, ownBytes }
  }

  tags(name: RepositoryName): Promise<readonly TagUsage[]> {
    return this.#options.files.tags(name)
  }

  async quotas(name: RepositoryName): Promise<readonly QuotaState[]> {
    await this.refresh()
    return this.#options.quotas.of(name).map(({ scope, bytes, tags }): QuotaState => {
      const used = this.used(scope)
      return {
        ...scope,
        bytes: bytes === undefined ? undefined : { used: used.bytes, limit: bytes },
        tags: tags === undefined ? undefined : { used: used.tags, limit: tags },
      }
    })
  }

  async organisations(): Promise<readonly (UsageFigures & { readonly name: string })[]> {
    const names = new Set((await this.#names()).map(organisationOf))
    return [...names].sort().map((name) => ({ name, ...this.used({ kind: 'organisation', name }) }))
  }

  async repositories(): Promise<readonly RepositoryUsage[]> {
    const found: RepositoryUsage[] = []
    for (const name of (await this.#names()).sort()) {
      const usage = await this.repository(name as RepositoryName)
      if (usage !== undefined) found.push(usage)
    }
    return found
  }

  async #names(): Promise<string[]> {
    await this.refresh()
    const counted = this.#totals?.repositories.map(({ name }) => name) ?? []
    return [...new Set([...counted, ...this.#own.keys(), ...this.#others.keys()])]
  }

  /** The file of this process is left out: it knows its own changes. */
  async #read(): Promise<void> {
    const { files } = this.#options
    const askedAt = performance.now()
    const [totals, all] = await Promise.all([files.totals(), files.changes()])
    const others = new Map<string, Change>()
    const add = (changes: Changes, sign: number) => {
      for (const [repository, change] of Object.entries(changes))
        others.set(repository, sumOf(others.get(repository), change, sign))
    }
    for (const [id, changes] of Object.entries(all)) {
      if (id === files.id) continue
      add(changes, 1)
      add(totals?.included[id] ?? {}, -1)
    }
    this.#totals = totals
    this.#others = others
    this.#known = this.#sumUp()
    this.#readAt = askedAt
  }

  #sumUp(): UsageSums {
    const { repositories = [], organisations = [], included = {} } = this.#totals ?? {}
    const sums = new UsageSums()
    for (const one of repositories) sums.addCounted({ kind: 'repository', name: one.name }, one)
    for (const one of organisations) sums.addCounted({ kind: 'organisation', name: one.name }, one)
    for (const [repository, change] of this.#others) sums.add(repository, change)
    const counted = included[this.#options.files.id] ?? {}
    for (const [repository, change] of Object.entries(counted)) sums.add(repository, change, -1)
    return sums
  }

  #writeLater(): void {
    const { files, log } = this.#options
    const write = () =>
      files
        .writeChanges(Object.fromEntries(this.#own))
        .catch((err) =>
          log.warn({ err }, 'usage could not be written; it is tried again with the next change'),
        )
    this.#writing = this.#writing.then(write)
  }
}
