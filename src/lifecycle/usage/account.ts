import type { RegistryError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { OneAtATime } from '../../lib/request-coalescing.ts'
import type { UsageLedger } from './ledger.ts'
import { type Limit, overQuota } from './quotas.ts'

/** What a push adds. */
export interface Addition {
  readonly bytes: number
  readonly tags: number
  /** Of the bytes those that are new to the organisation. Default: all. */
  readonly organisationBytes?: number
}

/** The usage of one repository, and its limits. */
export class Account {
  readonly repository: RepositoryName
  readonly #ledger: UsageLedger
  readonly #limits: readonly Limit[]
  readonly #additions = new OneAtATime()

  constructor(
    repository: RepositoryName,
    { ledger, limits }: { ledger: UsageLedger; limits: readonly Limit[] },
  ) {
    this.repository = repository
    this.#ledger = ledger
    this.#limits = limits
  }

  /** Hears of what other processes have changed, unless that was done a moment ago. */
  async refresh(): Promise<void> {
    if (this.#limits.length > 0) await this.#ledger.refresh()
  }

  async hasRoomFor(addition: Addition): Promise<boolean> {
    await this.refresh()
    return this.#excessOf(addition) === undefined
  }

  /** @throws RegistryError DENIED if the limits leave no room */
  async require(addition: Addition): Promise<void> {
    await this.refresh()
    this.#check(addition)
  }

  /** Looks whether something is new and adds it. Pushes of the same thing do so one after the other, so that it counts once.
   *  @param name of a tag, or a digest */
  inTurn<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    return this.#additions.do(name, work)
  }

  /** Does work that adds something. It counts from now on, and stays if the work ends well.
   *  @throws RegistryError DENIED; whatever `work` throws */
  async add<Result>(addition: Addition, work: () => Promise<Result>): Promise<Result> {
    const release = await this.reserve(addition)
    try {
      const result = await work()
      this.note(addition)
      return result
    } finally {
      release()
    }
  }

  /** Lets an addition that is under way count as used.
   *  @returns ends that
   *  @throws RegistryError DENIED if the limits leave no room */
  async reserve(addition: Addition): Promise<() => void> {
    await this.refresh()
    // Nothing may come between the check and the reservation.
    this.#check(addition)
    return this.#ledger.reserve(this.repository, addition)
  }

  /** Counts what was added already. */
  note(addition: Addition): void {
    this.#ledger.change(this.repository, addition)
  }

  remove({ bytes, tags }: { bytes: number; tags: number }): void {
    this.#ledger.change(this.repository, { bytes: -bytes, tags: -tags })
  }

  #check(addition: Addition): void {
    const error = this.#excessOf(addition)
    if (error !== undefined) throw error
  }

  /** The refusal, if the limits leave no room. */
  #excessOf({ bytes, tags, organisationBytes = bytes }: Addition): RegistryError | undefined {
    for (const limit of this.#limits) {
      const used = this.#ledger.used(limit.scope)
      const requested = limit.scope.kind === 'repository' ? bytes : organisationBytes
      if (limit.bytes !== undefined && requested > 0 && used.bytes + requested > limit.bytes)
        return overQuota(limit.scope, 'bytes', { used: used.bytes, limit: limit.bytes, requested })
      if (limit.tags !== undefined && tags > 0 && used.tags + tags > limit.tags)
        return overQuota(limit.scope, 'tags', { used: used.tags, limit: limit.tags, requested: tags })
    }
    return undefined
  }
}
