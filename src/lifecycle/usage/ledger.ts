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
  readonly #own = new Map<string, Change>()
  /** What is being pushed to each repository. */
  readonly #reserved = new Map<string, number>()
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
  used({ kind, name }: Scope): UsageFigures {
    const counted =
      kind === 'repository'
        ? this.#totals?.repositories.find((one) => one.name === name)
        : this.#totals?.organisations.find((one) => one.name === name)
    const isIn = (repository: string) =>
      kind === 'repository' ? repository === name : organisationOf(repository) === name
    let { bytes = 0, tags = 0 } = counted ?? {}
    const add = (changes: Iterable<[string, Change]>, sign: number) => {
      for (const [repository, [changedBytes, changedTags, organisationBytes]] of changes) {
        if (!isIn(repository)) continue
        bytes += sign * (kind === 'repository' ? changedBytes : organisationBytes)
        tags += sign * changedTags
      }
    }
    add(this.#others, 1)
    add(this.#own, 1)
    add(Object.entries(this.#totals?.included[this.#options.files.id] ?? {}), -1)
    for (const [repository, reserved] of this.#reserved) if (isIn(repository)) bytes += reserved
    return { bytes: Math.max(0, bytes), tags: Math.max(0, tags) }
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
    this.#own.set(repository, sumOf(this.#own.get(repository), [bytes, tags, organisationBytes]))
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#writeLater()
    }, this.#delayMs).unref()
  }

  /** Bytes count as used while work runs. */
  async during<Result>(
    repository: RepositoryName,
    bytes: number,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const reserve = (more: number) => {
      const sum = (this.#reserved.get(repository) ?? 0) + more
      if (sum === 0) this.#reserved.delete(repository)
      else this.#reserved.set(repository, sum)
    }
    reserve(bytes)
    try {
      return await work()
    } finally {
      reserve(-bytes)
    }
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
    this.#readAt = askedAt
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
