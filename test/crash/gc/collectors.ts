import { setTimeout as delay } from 'node:timers/promises'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import { Collector } from '../../../src/maintenance/gc/collector.ts'
import { run } from '../../../src/maintenance/runner.ts'
import type { DeletionsTiming } from '../../../src/registry/manifests/deletions.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { quiet } from '../../support/http-registry.ts'
import type { Random } from '../../support/random.ts'
import { stallingDriver } from './stalling-driver.ts'

export interface CollectorsOptions {
  readonly open: () => Promise<StorageDriver>
  readonly random: Random
  readonly leaseMs: number
  readonly settleMs: number
  readonly fenceMs: number
  /** True if untagged manifests are removed as well. */
  readonly untagged?: boolean
  readonly deletions?: DeletionsTiming
  /** One call in so many stands still; one of ten such calls for ever. */
  readonly stallOneIn: number
}

export interface CollectorFigures {
  collections: number
  deletedBlobs: number
  rescuedBlobs: number
  removedManifests: number
  stalls: number
  deaths: number
  replaced: number
}

/** Collectors, each of which stands still now and then, for longer than its lease, or dies; then another process begins in its place. */
export class Collectors {
  readonly figures: CollectorFigures = {
    collections: 0,
    deletedBlobs: 0,
    rescuedBlobs: 0,
    removedManifests: 0,
    stalls: 0,
    deaths: 0,
    replaced: 0,
  }
  /** What no collector may fail of. */
  readonly failures: unknown[] = []
  readonly #options: CollectorsOptions
  readonly #stopping = Promise.withResolvers<void>()
  #isStopping = false

  constructor(options: CollectorsOptions) {
    this.#options = options
  }

  /** Collects on and on, until it is stopped. */
  async work({ stalls }: { stalls: boolean }): Promise<void> {
    while (!this.#isStopping) await this.#process(stalls).catch((error) => this.failures.push(error))
  }

  stop(): void {
    this.#isStopping = true
    this.#stopping.resolve()
  }

  /** Until it dies. */
  async #process(stalls: boolean): Promise<void> {
    const { open, random, stallOneIn, leaseMs } = this.#options
    const death = Promise.withResolvers<void>()
    let until = 0
    const before = async () => {
      if (stalls && random.below(stallOneIn) === 0 && !this.#isStopping) {
        this.figures.stalls++
        if (random.below(10) === 0) {
          this.figures.deaths++
          until = Number.POSITIVE_INFINITY
          death.resolve()
        } else until = performance.now() + random.below(4 * leaseMs)
      }
      if (until === Number.POSITIVE_INFINITY) await new Promise(() => {})
      while (performance.now() < until && !this.#isStopping) await delay(Math.min(20, leaseMs / 10))
    }
    const real = await open()
    const registry = new StoredRegistry({
      driver: stallingDriver(real, before),
      policy: DEFAULT_POLICY,
      deletions: this.#options.deletions,
      log: quiet,
    })
    const alive = this.#collectOnAndOn(registry).finally(() => death.resolve())
    alive.catch(() => undefined)
    await Promise.race([death.promise, this.#stopping.promise.then(() => alive)])
    if (until !== Number.POSITIVE_INFINITY) await alive
    await real.close()
  }

  async #collectOnAndOn({ collectable: content }: StoredRegistry): Promise<void> {
    const { leaseMs, settleMs, fenceMs, untagged } = this.#options
    const timing = { leaseMs, beatMs: leaseMs / 5, settleMs }
    while (!this.#isStopping) {
      const collector = new Collector({
        content,
        graceMs: 0,
        pace: 0,
        dryRun: false,
        untagged,
        batchSize: 4,
        fenceMs,
        timing,
      })
      try {
        await run(collector.steps(), { log: quiet, dryRun: false })
        this.figures.collections++
      } catch (error) {
        if (!isExpected(error)) throw error
        this.figures.replaced++
      }
      const { deletedBlobs, rescuedBlobs, removedManifests } = collector.report
      this.figures.removedManifests += removedManifests
      this.figures.deletedBlobs += deletedBlobs
      this.figures.rescuedBlobs += rescuedBlobs
    }
  }
}

/** Others collect, or have taken its place. */
function isExpected(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: string }
  return (
    name === 'CollectorBusy' ||
    name === 'CollectorReplaced' ||
    code === 'FENCE_CLOSED' ||
    code === 'UNAVAILABLE'
  )
}
