import type { Collectable, PooledBlob } from '../../core/collection/collectable.ts'
import { Quarantine } from '../../core/collection/quarantine.ts'
import type { RepositoryContent } from '../../core/collection/removable.ts'
import { type Digest, hexOf } from '../../core/digest.ts'
import { isPathNotFound, StorageError } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { ScrubFinding, ScrubState, ScrubTotals } from '../../core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { DigestSet } from '../../lib/collections/digest-set.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { Pace } from '../gc/pace.ts'
import type { Step } from '../runner.ts'
import { type VerifyFinding, verify } from '../verify.ts'
import { type BytesCondition, checkBytes } from './check-bytes.ts'
import { Healing } from './healing.ts'
import { ScrubProgress } from './scrub-progress.ts'

export interface ScrubOptions {
  readonly content: Collectable
  /** Bytes a second; 0 for as many as go. */
  readonly pace: number
  /** Another storage with the same blobs, to heal from. */
  readonly from?: StorageDriver | undefined
  /** True to change nothing: findings are reported, and the run is not saved. */
  readonly dryRun?: boolean
  /** How often the position is saved, in milliseconds. */
  readonly saveMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Takes a blob out of the pool or puts one into it. */
export interface ScrubStep extends Step {
  readonly digest: Digest
  /** What was done, once it was carried out; undefined for nothing. */
  readonly outcome: () => string | undefined
}

export type ScrubReport = Pick<ScrubState, 'run' | 'totals' | 'findings'>

/** What a scrub is doing, for people who watch it. */
export interface ScrubActivity {
  readonly phase: 'reading blobs' | 'checking links'
  /** Blobs or repositories. */
  readonly done: number
  readonly total: undefined
}

const READ_CONCURRENCY = 4

/** After so many blobs in succession that can't be read, it is the storage that fails. */
const MAX_UNREADABLE = 10

/** Reads everything that is stored, compares it with its digests, and looks whether what repositories refer to is there. A damaged blob
 *  goes into quarantine, and is healed if there is an intact copy. See docs/scrub.md. */
export class Scrub {
  readonly #options: ScrubOptions
  readonly #healing: Healing
  readonly #pace: Pace
  #progress: ScrubProgress | undefined
  #unreadable = 0

  constructor(options: ScrubOptions) {
    const { content, from, signal } = options
    this.#options = options
    this.#pace = new Pace(options.pace)
    this.#healing = new Healing({ content, from, signal, onRead: (bytes) => this.#pace.take(bytes) })
  }

  get activity(): ScrubActivity {
    const { phase, totals } = this.#progress?.state ?? {}
    return phase === 'links'
      ? { phase: 'checking links', done: totals?.repositories ?? 0, total: undefined }
      : { phase: 'reading blobs', done: totals?.blobs ?? 0, total: undefined }
  }

  get report(): ScrubReport {
    const { run, totals, findings } = this.#state
    return { run, totals, findings }
  }

  /** The steps of a run, from where the last one was cut short.
   *  @throws ScrubReplaced; StorageError */
  async *steps(): AsyncGenerator<ScrubStep> {
    const { content, dryRun = false, saveMs } = this.#options
    const { storage } = content
    this.#progress = await ScrubProgress.begin({ storage, isSaved: !dryRun, saveMs })
    if (!dryRun) await new Quarantine(storage).expire('damaged', new Date())
    if (this.#state.phase === 'blobs') {
      yield* this.#blobs()
      await this.#progress.enter('links')
    }
    yield* this.#links()
    await this.#progress.enter('done')
  }

  get #state(): ScrubState {
    return this.#of.state
  }

  get #of(): ScrubProgress {
    if (this.#progress === undefined) throw new Error('the scrub has not begun')
    return this.#progress
  }

  async *#blobs(): AsyncGenerator<ScrubStep> {
    const work = async ({ digest, size }: PooledBlob) => ({
      ...{ digest, size },
      condition: await this.#read(digest),
    })
    for await (const { digest, size, condition } of mapInOrder(this.#pool(), {
      concurrency: READ_CONCURRENCY,
      work,
    })) {
      if (condition !== 'missing') this.#of.count({ blobs: 1, bytes: size })
      if (condition === 'damaged') yield* this.#repair(digest)
      else if (typeof condition === 'object') this.#of.report({ name: digest, ...condition })
      await this.#of.reach(digest)
    }
  }

  async *#pool(): AsyncIterable<PooledBlob> {
    const { content, signal } = this.#options
    const { after } = this.#state
    for await (const page of content.pool(after === '' ? {} : { after: after as Digest })) {
      for (const blob of page) {
        signal?.throwIfAborted()
        yield blob
      }
    }
  }

  /** A blob on a bad sector can't be read; neither can any if the storage is out of reach, which is no finding. */
  async #read(digest: Digest): Promise<BytesCondition | { problem: string }> {
    try {
      const condition = await this.#check(digest)
      this.#unreadable = 0
      return condition
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'BACKEND_FAILED') throw error
      if (++this.#unreadable >= MAX_UNREADABLE) throw error
      return { problem: `its bytes can't be read: ${error.message}` }
    }
  }

  #check(digest: Digest): Promise<BytesCondition> {
    const { content, signal } = this.#options
    const onRead = (bytes: number) => this.#pace.take(bytes)
    return checkBytes(content.storage, { path: content.pathOf(digest), digest }, { onRead, signal })
  }

  async *#repair(digest: Digest): AsyncGenerator<ScrubStep> {
    const finding: ScrubFinding = { name: digest, problem: 'its bytes are damaged' }
    let isDamaged = true
    const outcome = yield* this.#step(digest, 'set a damaged blob aside', async () => {
      isDamaged = await this.#healing.setAside(digest)
      if (!isDamaged) return undefined
      this.#of.noteChanged(digest)
      return 'set aside'
    })
    if (!isDamaged) return
    this.#of.count({ damagedBlobs: 1 })
    const healed = outcome && (yield* this.#heal(digest))
    this.#of.report({ ...finding, outcome: healed ?? outcome })
    await this.#of.save()
  }

  async *#heal(digest: Digest): AsyncGenerator<ScrubStep, string | undefined> {
    return yield* this.#step(digest, 'heal a blob', async () => {
      if ((await this.#check(digest)) === 'intact') return undefined
      const source = await this.#healing.heal(digest)
      if (source === undefined) return undefined
      this.#of.noteChanged(digest)
      this.#of.count({ healedBlobs: 1 })
      return `healed from ${source}`
    })
  }

  /** @returns what was done; undefined if the step failed, too */
  async *#step(
    digest: Digest,
    action: string,
    work: () => Promise<string | undefined>,
  ): AsyncGenerator<ScrubStep, string | undefined> {
    let outcome: string | undefined
    const run = async () => {
      outcome = await work()
    }
    yield { intent: { action, digest }, digest, run, outcome: () => outcome }
    return outcome
  }

  async *#links(): AsyncGenerator<ScrubStep> {
    const { content, signal } = this.#options
    const present = await this.#present()
    const after = this.#state.after as RepositoryName
    for await (const found of content.repositories(after === '' ? {} : { after })) {
      signal?.throwIfAborted()
      const { repository, manifests } = found
      const findings = await this.#brokenLinks(found, present)
      for (const { broken, ...finding } of findings) {
        const outcome = broken && (yield* this.#heal(broken))
        this.#of.report({ repository, ...finding, outcome })
      }
      this.#of.count({ repositories: 1, manifests: manifests.length })
      await this.#of.reach(repository)
    }
  }

  /** What is missing when it is looked at twice: a deletion in between is no damage. */
  async #brokenLinks(found: RepositoryContent, present: DigestSet): Promise<readonly VerifyFinding[]> {
    const { content, signal } = this.#options
    const { repository } = found
    const known = async (digest: Digest) => (present.has(hexOf(digest)) ? 'intact' : this.#stat(digest))
    const first = await verify({ content, repository, found, signal, checkBlob: known })
    if (first.findings.length === 0) return []
    const checkBlob = (digest: Digest) => this.#stat(digest)
    return (await verify({ content, repository, signal, checkBlob })).findings
  }

  async #stat(digest: Digest): Promise<BytesCondition> {
    const { content } = this.#options
    try {
      await content.storage.stat(content.pathOf(digest))
      return 'intact'
    } catch (error) {
      if (isPathNotFound(error)) return 'missing'
      throw error
    }
  }

  /** The names of all blobs of the pool. */
  async #present(): Promise<DigestSet> {
    const { content, signal } = this.#options
    const present = new DigestSet()
    for await (const page of content.pool()) {
      signal?.throwIfAborted()
      for (const { digest } of page) present.add(hexOf(digest))
    }
    return present
  }
}

export type { ScrubFinding, ScrubTotals }
