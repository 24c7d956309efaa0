import { randomUUID } from 'node:crypto'
import { isPathNotFound } from '../../core/errors.ts'
import type { RepositoryUsage, TagUsage, UsageFigures } from '../../core/lifecycle/usage.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScannedFile, StorageDriver } from '../../core/storage-driver.ts'
import { USAGE_CHANGES, USAGE_TOTALS, usageOf } from '../paths.ts'
import type { CountedOrganisation, CountedRepository } from './count.ts'

/** Additions since a process has begun, negative for removals. What a repository takes from another one of its organisation adds nothing to
 *  the bytes of the organisation. */
export type Change = readonly [bytes: number, tags: number, organisationBytes: number]

/** By repository. */
export type Changes = Record<string, Change>

export function sumOf(one: Change | undefined, other: Change, sign = 1): Change {
  const [bytes, tags, organisationBytes] = one ?? [0, 0, 0]
  return [bytes + sign * other[0], tags + sign * other[1], organisationBytes + sign * other[2]]
}

/** The result of counting. */
export interface Totals {
  /** RFC 3339. */
  readonly countedAt: string
  readonly repositories: readonly RepositoryUsage[]
  readonly organisations: readonly (UsageFigures & { readonly name: string })[]
  /** The changes of each process that are part of it. */
  readonly included: Readonly<Record<string, Changes>>
}

const NO_TOTALS: Totals = { countedAt: '', repositories: [], organisations: [], included: {} }

/** How long the file of a process that has ended stays. Living ones write theirs anew every hour. */
const ABANDONED_MS = 24 * 3_600_000

/** Usage on storage: what was counted last, and a file of each process with what it has changed. */
export class UsageFiles {
  /** The name of this process's file. */
  readonly id = randomUUID()
  readonly #storage: StorageDriver

  constructor(storage: StorageDriver) {
    this.#storage = storage
  }

  /** Undefined before the first time. */
  async totals(): Promise<Totals | undefined> {
    const found = (await this.#read(USAGE_TOTALS)) as Totals | undefined
    return found === undefined ? undefined : { ...NO_TOTALS, ...found }
  }

  async tags(repository: RepositoryName): Promise<readonly TagUsage[]> {
    const found = (await this.#read(usageOf(repository))) as { tags?: readonly TagUsage[] } | undefined
    return found?.tags ?? []
  }

  async writeChanges(changes: Changes): Promise<void> {
    await this.#storage.put(`${USAGE_CHANGES}/${this.id}`, Buffer.from(JSON.stringify(changes)), {
      durable: false,
    })
  }

  /** Those of all processes. */
  async changes(): Promise<Record<string, Changes>> {
    const all: Record<string, Changes> = {}
    for (const { path } of await this.#changeFiles()) {
      const found = (await this.#read(path)) as Changes | undefined
      if (found !== undefined) all[path.slice(USAGE_CHANGES.length + 1)] = found
    }
    return all
  }

  /** Replaces what was counted, and removes the files of repositories that are gone and of processes that have ended.
   *  @param included what `changes` has said before the counting began
   *  @param now by the storage's clock */
  async writeTotals(
    {
      repositories,
      organisations,
    }: { repositories: readonly CountedRepository[]; organisations: readonly CountedOrganisation[] },
    { included, now }: { included: Totals['included']; now: Date },
  ): Promise<void> {
    const before = (await this.totals())?.repositories ?? []
    for (const { name, tags } of repositories)
      await this.#storage.put(usageOf(name as RepositoryName), encode({ tags }), { durable: false })
    const totals: Totals = {
      countedAt: now.toISOString(),
      repositories: repositories.map(({ name, bytes, ownBytes, tags, manifests }) => ({
        ...{ name, bytes, ownBytes, tags: tags.length, manifests },
      })),
      ...{ organisations, included },
    }
    await this.#storage.put(USAGE_TOTALS, encode(totals))
    const counted = new Set(repositories.map(({ name }) => name))
    for (const { name } of before)
      if (!counted.has(name)) await this.#storage.delete(usageOf(name as RepositoryName), { durable: false })
    for (const { path, modifiedAt } of await this.#changeFiles())
      if (now.getTime() - modifiedAt.getTime() > ABANDONED_MS)
        await this.#storage.delete(path, { durable: false })
  }

  async #changeFiles(): Promise<ScannedFile[]> {
    const files: ScannedFile[] = []
    for await (const page of this.#storage.scan(USAGE_CHANGES)) files.push(...page)
    return files
  }

  /** Undefined if there is none, or it is malformed. */
  async #read(path: string): Promise<unknown> {
    try {
      return Object(JSON.parse(Buffer.from(await this.#storage.get(path)).toString()))
    } catch (error) {
      if (isPathNotFound(error) || error instanceof SyntaxError) return undefined
      throw error
    }
  }
}

function encode(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

/** The repositories that some process has changed between two readings of `changes`. */
export function changedBetween(
  before: Record<string, Changes>,
  after: Record<string, Changes>,
): RepositoryName[] {
  const changed = new Set<string>()
  for (const id of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[id] ?? {}, after[id] ?? {}]
    for (const repository of new Set([...Object.keys(was), ...Object.keys(is)]))
      if (`${was[repository]}` !== `${is[repository]}`) changed.add(repository)
  }
  return [...changed] as RepositoryName[]
}
