import { setTimeout as delay } from 'node:timers/promises'
import { CollectionFiles, type CondemnedBlob, listBits } from '../../core/collection/collection-files.ts'
import { ended, withoutRemoval } from '../../core/collection/collection-state.ts'
import type { Digest } from '../../core/digest.ts'
import { isPathNotFound } from '../../core/errors.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { BlobSweep, type DeletionStep } from './blob-sweep.ts'
import { CollectedBlobs, type RestorationStep } from './collected-blobs.ts'
import type { CollectionProgress, CollectionReport, CollectionStep } from './collection-report.ts'
import { COLLECTOR_TIMING, type CollectorOptions, type CollectorTiming } from './collector-options.ts'
import { HeldBytes } from './held-bytes.ts'
import { ListWriter, type WrittenLists } from './list-writer.ts'
import { ManifestEdges } from './manifest-edges.ts'
import { ManifestSweep, type RemovalStep, type RemovedManifest } from './manifest-sweep.ts'
import { Marks } from './mark.ts'
import { Pace } from './pace.ts'
import { Tenure } from './tenure.ts'

/** Deletes the blobs that nothing keeps, while images are pushed. See docs/garbage-collection.md for the order of its steps and why
 *  nothing that was acknowledged is lost. What it writes and deletes is in its steps; between them it only reads. */
export class Collector {
  readonly #options: CollectorOptions
  readonly #timing: CollectorTiming
  readonly #files: CollectionFiles
  readonly #edges: ManifestEdges
  readonly #marks: Marks
  readonly #pace: Pace
  readonly #collected: CollectedBlobs
  readonly #report = {
    ...{ blobs: 0, deletedBlobs: 0, deletedBytes: 0, rescuedBlobs: 0, restoredBlobs: 0 },
    removedManifests: 0,
    postponedManifests: 0,
  }
  /** From a step that was carried out until the collection ends; never in a dry run. */
  #tenure: Tenure | undefined
  readonly #removed: RemovedManifest[] = []
  readonly #held = new HeldBytes()
  /** By the storage's clock. */
  #startedAt = new Date()
  #youngSince = new Date()
  #phase: CollectionProgress['phase'] = 'reading manifests'
  #condemnedBlobs: number | undefined

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#timing = options.timing ?? COLLECTOR_TIMING
    this.#files = new CollectionFiles(options.content.storage)
    this.#edges = new ManifestEdges(options.content.storage, { isSaved: !options.dryRun })
    this.#marks = new Marks(options.content, this.#edges)
    this.#pace = new Pace(options.pace)
    const { content, coexist = false, untagged = false, signal } = options
    this.#collected = new CollectedBlobs({ content, pace: this.#pace, signal })
    if (coexist && untagged) throw new Error("a manifest that is removed can't be kept in quarantine")
  }

  get progress(): CollectionProgress {
    const { blobs, deletedBlobs, rescuedBlobs, removedManifests } = this.#report
    const phase = this.#phase
    if (phase === 'removing untagged manifests') return { phase, done: removedManifests, total: undefined }
    if (phase === 'looking for garbage') return { phase, done: blobs, total: undefined }
    if (phase === 'deleting') return { phase, done: deletedBlobs + rescuedBlobs, total: this.#condemnedBlobs }
    return { phase, done: this.#marks.manifests, total: undefined }
  }

  get report(): CollectionReport {
    const removed = this.#removed.map((one) => ({ ...one, bytes: this.#held.of(one.digest) }))
    return { ...this.#report, removed, findings: this.#marks.findings }
  }

  /** The steps of one collection. A step that fails ends it.
   *  @throws StorageError UNSUPPORTED if the storage can't be collected; CollectorBusy; whatever storage says */
  async *steps(): AsyncGenerator<CollectionStep> {
    try {
      yield* this.#collect()
    } finally {
      await this.#leave()
    }
  }

  async *#collect(): AsyncGenerator<CollectionStep> {
    const { dryRun, graceMs, untagged = false } = this.#options
    if (dryRun) this.#youngSince = new Date(Date.now() - graceMs)
    else await this.#begin()
    if (untagged) yield* this.#removals()
    await this.#edges.load()
    await this.#mark()
    await this.#edges.release()
    yield* this.#restorations()
    yield* dryRun ? this.#deletions(this.#garbage()) : this.#condemnAndSweep()
  }

  /** What a collection has left that was cut short: nothing is being deleted, so the next one need not wait until this one counts as
   *  gone. */
  async #leave(): Promise<void> {
    await this.#endEarly().catch(() => undefined)
    await this.#tenure?.end()
  }

  async #endEarly(): Promise<void> {
    const { phase, removing, epoch = 0, removals } = this.#tenure?.state ?? {}
    if (phase !== 'mark' && phase !== 'condemned') return
    if (removing !== undefined) await this.#options.content.release(removing)
    await this.#tenure?.change((state) => ({
      ...{ epoch, phase: 'idle', deletions: withoutRemoval(state).deletions },
      ...(removals !== undefined && { removals }),
    }))
  }

  /** The storage is tried out before anything is written. */
  async #begin(): Promise<void> {
    const { content, graceMs, signal } = this.#options
    const { storage } = content
    await storage.closeFence(await storage.openFence())
    const release = (repository: RepositoryName) => content.release(repository)
    this.#tenure = await Tenure.begin(storage, { timing: this.#timing, signal, release })
    const { epoch } = this.#tenure.state
    await this.#files.removeBefore(epoch)
    this.#startedAt = await this.#unlessReplaced(() => this.#files.begin(epoch))
    this.#youngSince = new Date(this.#startedAt.getTime() - graceMs)
  }

  /** Manifests that are pushed from the change of the state on are looked at once more by who pushes them. */
  async *#removals(): AsyncGenerator<RemovalStep> {
    const { content, dryRun, signal } = this.#options
    this.#phase = 'removing untagged manifests'
    const announce = async (removing: RepositoryName, manifests: readonly Digest[]) => {
      const { epoch, removals = 0 } = this.#tenure!.state
      await this.#files.writeRemoved(epoch, removals, manifests)
      await this.#tenure?.change((state) => ({ ...withoutRemoval(state), removing, removals: removals + 1 }))
    }
    const requireTenure = async () => this.#tenure?.confirm()
    const sweep = new ManifestSweep({
      ...{ content, dryRun, signal, announce, requireTenure },
      pace: this.#pace,
      youngSince: this.#youngSince,
    })
    for await (const step of sweep.steps()) {
      yield step
      const some = step.removed()
      this.#report.removedManifests += some.length
      this.#removed.push(...some)
      await this.#noteHeld(some)
      if (dryRun) this.#marks.passOver(some)
    }
    this.#report.postponedManifests = sweep.postponed
    await this.#tenure?.change(withoutRemoval)
  }

  /** Their bytes are there until the blobs are deleted. */
  async #noteHeld(removed: readonly RemovedManifest[]): Promise<void> {
    for (const { repository, digest } of removed) {
      const found = await this.#pace.during(() => this.#options.content.references(repository, digest))
      this.#held.add(digest, 'unreadable' in found ? [digest] : [digest, ...found.digests])
    }
  }

  #mark(): Promise<void> {
    const { signal } = this.#options
    this.#phase = 'reading manifests'
    return this.#marks.mark({ linkedSince: this.#youngSince, pace: this.#pace, signal })
  }

  /** Blobs that are needed after all come back, also if this collection keeps none itself. */
  async *#restorations(): AsyncGenerator<RestorationStep> {
    const { dryRun } = this.#options
    for (let isOver = false; !isOver; ) {
      isOver = true
      this.#phase = 'restoring blobs'
      for await (const step of this.#collected.restorations(this.#marks)) {
        yield step
        this.#report.restoredBlobs++
        isOver = dryRun
      }
      // A manifest that came back may need more.
      if (this.#marks.findings.length === 0) return
      if (!isOver) await this.#mark()
    }
  }

  async *#condemnAndSweep(): AsyncGenerator<DeletionStep | RestorationStep> {
    const tenure = this.#tenure as Tenure
    const { epoch } = tenure.state
    const { lists, digits } = await this.#condemn(epoch)
    if (lists.length > 0) {
      await tenure.change((state) => ({
        ...{ ...state, phase: 'condemned', lists: listBits(lists, digits), listDigits: digits },
      }))
      // Pushes of blobs go by a state that is some seconds old.
      this.#phase = 'waiting for pushes'
      await delay(this.#timing.settleMs, undefined, { signal: this.#options.signal })
      await this.#mark()
      yield* this.#deletions(this.#condemned({ lists, digits }))
      // What others have pushed meanwhile, who read no state, need not wait for the next collection.
      if (this.#options.coexist) await this.#mark()
    }
    yield* this.#restorations()
    await tenure.confirm()
    await this.#collected.expire(this.#startedAt)
    await tenure.change(ended)
    await this.#files.removeBefore(epoch)
  }

  async #condemn(epoch: number): Promise<WrittenLists> {
    const writer = new ListWriter(this.#files, epoch)
    for await (const blob of this.#garbage()) {
      await writer.add(blob)
      this.#condemnedBlobs = (this.#condemnedBlobs ?? 0) + 1
    }
    return writer.end()
  }

  /** In order of the digests. */
  async *#garbage(): AsyncIterable<CondemnedBlob> {
    const { content, signal } = this.#options
    this.#phase = 'looking for garbage'
    const isKept = (digest: Digest) => {
      const isMarked = this.#marks.has(digest)
      if (isMarked) this.#report.blobs++
      return isMarked
    }
    for await (const page of content.pool({ without: isKept })) {
      signal?.throwIfAborted()
      await this.#pace.take()
      for (const { digest, size, modifiedAt } of page) {
        if (isKept(digest)) continue
        this.#report.blobs++
        this.#held.count(digest, size)
        if (modifiedAt < this.#youngSince) yield { digest, size }
      }
    }
  }

  /** What is condemned and was not marked since. */
  async *#condemned({ lists, digits }: WrittenLists): AsyncIterable<CondemnedBlob> {
    this.#phase = 'deleting'
    const { epoch } = (this.#tenure as Tenure).state
    for (const list of lists) {
      const blobs = await this.#unlessReplaced(() => this.#files.readList({ epoch, list, digits }))
      for (const blob of blobs) {
        if (this.#marks.has(blob.digest)) this.#report.rescuedBlobs++
        else yield blob
      }
    }
  }

  /** A file of this collection that is gone was removed by a successor.
   *  @throws CollectorReplaced */
  async #unlessReplaced<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (isPathNotFound(error)) await this.#tenure?.confirm()
      throw error
    }
  }

  /** In a dry run nothing is deleted, whoever runs the steps. */
  async *#deletions(blobs: AsyncIterable<CondemnedBlob>): AsyncGenerator<DeletionStep> {
    const { content, coexist = false, batchSize, fenceMs, signal } = this.#options
    const keep = (batch: readonly CondemnedBlob[]) => this.#collected.keep(batch, this.#startedAt)
    const sweep = new BlobSweep({
      ...{ content, tenure: this.#tenure, files: this.#files, pace: this.#pace },
      ...{ batchSize, fenceMs, signal, keep: coexist ? keep : undefined },
    })
    for await (const step of sweep.steps(blobs)) {
      yield step
      const deleted = step.deleted()
      this.#report.deletedBlobs += deleted.length
      for (const { size } of deleted) this.#report.deletedBytes += size
      this.#report.rescuedBlobs += step.batch.length - deleted.length
    }
  }
}
