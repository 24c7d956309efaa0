import type { Held, SharedState } from '../../core/coordination/shared-state.ts'
import type { Digest } from '../../core/digest.ts'
import {
  MAX_FINDINGS,
  newScrub,
  type ScrubFinding,
  type ScrubState,
  type ScrubTotals,
  scrubState,
} from '../../core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

const SAVE_MS = 10_000

/** Another process scrubs, and has changed the state. */
export class ScrubReplaced extends Error {
  override readonly name = 'ScrubReplaced'
}

export interface ScrubProgressOptions {
  readonly storage: StorageDriver
  /** False if nothing may be written: the run begins anew and ends with the process. */
  readonly isSaved: boolean
  /** How often the position is saved, in milliseconds. Default: 10 seconds. */
  readonly saveMs?: number | undefined
}

/** How far a scrub is. It is saved now and then, so that a run which was cut short is continued by the next one, in any process. */
export class ScrubProgress {
  readonly #shared: SharedState<ScrubState> | undefined
  readonly #saveMs: number
  #held: { readonly state: ScrubState; readonly version: Held<ScrubState>['version'] | undefined }
  #savedAt = performance.now()

  private constructor(
    shared: SharedState<ScrubState> | undefined,
    held: { state: ScrubState; version: string | undefined },
    saveMs: number,
  ) {
    this.#shared = shared
    this.#held = held
    this.#saveMs = saveMs
  }

  /** Continues the last run if it has not ended; otherwise begins one. */
  static async begin({ storage, isSaved, saveMs = SAVE_MS }: ScrubProgressOptions): Promise<ScrubProgress> {
    if (!isSaved)
      return new ScrubProgress(undefined, { state: newScrub(1, new Date()), version: undefined }, saveMs)
    const shared = scrubState(storage)
    const found = await shared.get()
    const isContinued = found !== undefined && found.state.phase !== 'done'
    const state = isContinued ? found.state : newScrub((found?.state.run ?? 0) + 1, new Date())
    const progress = new ScrubProgress(shared, { state, version: found?.version }, saveMs)
    await progress.save()
    return progress
  }

  get state(): ScrubState {
    return this.#held.state
  }

  count(counted: Partial<ScrubTotals>): void {
    const totals = { ...this.state.totals }
    for (const [name, value] of Object.entries(counted)) totals[name as keyof ScrubTotals] += value
    this.#change({ totals })
  }

  report(finding: ScrubFinding): void {
    const { findings } = this.state
    this.count({ findings: 1 })
    if (findings.length < MAX_FINDINGS) this.#change({ findings: [...findings, finding] })
  }

  /** The file of a blob was changed: other processes evict it once this is saved. */
  noteChanged(digest: Digest): void {
    this.#change({ changed: [...this.state.changed.slice(1 - MAX_FINDINGS), digest] })
  }

  /** All up to here is checked. Saved if that is due. */
  async reach(after: string): Promise<void> {
    this.#change({ after })
    if (performance.now() - this.#savedAt >= this.#saveMs) await this.save()
  }

  async enter(phase: ScrubState['phase']): Promise<void> {
    this.#change({ phase, after: '' })
    await this.save()
  }

  /** @throws ScrubReplaced */
  async save(): Promise<void> {
    if (this.#shared === undefined) return
    const { state, version } = this.#held
    const swapped = await this.#shared.swap(state, version)
    if (swapped === undefined) throw new ScrubReplaced('another process scrubs this storage')
    this.#held = { state, version: swapped }
    this.#savedAt = performance.now()
  }

  #change(change: Partial<ScrubState>): void {
    this.#held = { ...this.#held, state: { ...this.state, ...change } }
  }
}
