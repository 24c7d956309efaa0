import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { SharedState } from '../../core/coordination/shared-state.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { ManifestPulls, RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { PULLS_SINCE, pullsOf, RECENT_PULLS } from '../paths.ts'
import { manifestPulls, PullCounts } from './pull-counts.ts'

interface Recording {
  /** Milliseconds since 1970, by the clocks of the processes. */
  readonly since: number
  readonly seenAt: number
}

/** The pulls of a repository, as far as they are compacted. */
interface Compacted {
  /** Files that are part of it, and may still be there. */
  readonly files: readonly string[]
  readonly counts: object
}

const HOUR_MS = 3_600_000
/** Retention adds as much to the time of a last pull. */
export const MAX_GAP_MS = 24 * HOUR_MS
const MAX_KNOWN_BYTES = 64 * 1024 ** 2
const MAX_ATTEMPTS = 10

/** Pulls on storage. Each process writes files of its own, which never change; now and again one process adds them to a state of each
 *  repository, and removes them. */
export class PullFiles implements RecordedPulls {
  readonly #storage: StorageDriver
  readonly #recording: SharedState<Recording>
  readonly #known = new LRUCache<string, PullCounts>({
    maxSize: MAX_KNOWN_BYTES,
    sizeCalculation: ({ size }) => 200 * (size + 1),
  })

  constructor(storage: StorageDriver) {
    this.#storage = storage
    this.#recording = new SharedState({ storage, path: PULLS_SINCE, parse: parseRecording })
  }

  /** Notes that pulls are recorded at this time, about once an hour. After a day without such a note the record begins anew.
   *  @param now in milliseconds */
  async note(now: number): Promise<void> {
    const held = await this.#recording.get()
    const { since, seenAt } = held?.state ?? { since: now, seenAt: 0 }
    if (now - seenAt < HOUR_MS) return
    // If another process was faster, it has said the same.
    await this.#recording.swap({ since: now - seenAt > MAX_GAP_MS ? now : since, seenAt: now }, held?.version)
  }

  async recordedSince(): Promise<Date | undefined> {
    const since = (await this.#recording.get())?.state.since
    return since === undefined ? undefined : new Date(since)
  }

  async write(counts: PullCounts): Promise<void> {
    await this.#storage.put(`${RECENT_PULLS}/${randomUUID()}`, Buffer.from(JSON.stringify(counts)))
  }

  /** Files that a compaction removes meanwhile are in the state that is read afterwards. */
  async of(repository: RepositoryName): Promise<readonly ManifestPulls[]> {
    for (let attempt = 1; ; attempt++) {
      const recent = await this.#recent()
      const { counts, files } = await this.#compacted(repository)
        .get()
        .then((held) => held?.state ?? NOTHING)
      const sum = PullCounts.parse({ [repository]: counts })
      let isWhole = true
      for (const file of recent) {
        if (files.includes(file)) continue
        const found = await this.#read(file)
        isWhole &&= found !== undefined
        sum.mergeRepository(repository, found?.repositories.get(repository) ?? new Map())
      }
      if (isWhole || attempt === MAX_ATTEMPTS)
        return manifestPulls(sum.repositories.get(repository) ?? new Map())
    }
  }

  /** Adds all files to the states of their repositories, and removes them. Several processes may do so at the same time; what one has added
   *  is not added again.
   *  @returns the number of files */
  async compact(signal?: AbortSignal): Promise<number> {
    const recent = await this.#recent()
    const all = new Map<string, PullCounts>()
    for (const file of recent) {
      const counts = await this.#read(file)
      if (counts !== undefined) all.set(file, counts)
    }
    const repositories = new Set([...all.values()].flatMap(({ repositories: found }) => [...found.keys()]))
    for (const repository of repositories) {
      signal?.throwIfAborted()
      await this.#add(repository as RepositoryName, all)
    }
    for (const file of all.keys()) {
      signal?.throwIfAborted()
      await this.#storage.delete(`${RECENT_PULLS}/${file}`, { durable: false })
      this.#known.delete(file)
    }
    return all.size
  }

  /** The list of files that the state names is cut to those that are still there. */
  async #add(repository: RepositoryName, all: ReadonlyMap<string, PullCounts>): Promise<void> {
    const state = this.#compacted(repository)
    for (;;) {
      const held = await state.get()
      const { files, counts } = held?.state ?? NOTHING
      const sum = PullCounts.parse({ [repository]: counts })
      // Looked for after the state was read: a file that is gone is part of it already.
      const there = new Set(await this.#recent())
      const added = [...all].filter(
        ([file, { repositories }]) =>
          repositories.has(repository) && there.has(file) && !files.includes(file),
      )
      for (const [, found] of added)
        sum.mergeRepository(repository, found.repositories.get(repository) ?? new Map())
      if (added.length === 0) return
      const next = {
        files: [...files, ...added.map(([file]) => file)].filter((file) => there.has(file)),
        counts: Object.fromEntries(sum.repositories.get(repository) ?? []),
      }
      if ((await state.swap(next, held?.version)) !== undefined) return
    }
  }

  #compacted(repository: RepositoryName): SharedState<Compacted> {
    return new SharedState({ storage: this.#storage, path: pullsOf(repository), parse: parseCompacted })
  }

  async #recent(): Promise<string[]> {
    const files: string[] = []
    for await (const { name, kind } of this.#storage.list(RECENT_PULLS)) if (kind === 'file') files.push(name)
    return files
  }

  /** Undefined if a compaction has removed it. */
  async #read(file: string): Promise<PullCounts | undefined> {
    const known = this.#known.get(file)
    if (known !== undefined) return known
    try {
      const content = await this.#storage.get(`${RECENT_PULLS}/${file}`)
      const counts = PullCounts.parse(parseJson(content))
      this.#known.set(file, counts)
      return counts
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }
}

const NOTHING: Compacted = { files: [], counts: {} }

function parseRecording(found: unknown): Recording {
  const { since, seenAt } = Object(found) as Recording
  // A malformed one begins anew.
  return Number.isFinite(since) && Number.isFinite(seenAt)
    ? { since, seenAt }
    : { since: Date.now(), seenAt: 0 }
}

function parseCompacted(found: unknown): Compacted {
  const { files, counts } = Object(found) as Compacted
  return Array.isArray(files) ? { files, counts: Object(counts) as object } : NOTHING
}

function parseJson(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return undefined
  }
}
