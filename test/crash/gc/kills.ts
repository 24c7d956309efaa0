/** A collector that dies at any call of the storage, before it is made or after, and the next one that finishes. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import type { CollectorTiming } from '../../../src/maintenance/gc/collector-options.ts'
import { run } from '../../../src/maintenance/runner.ts'
import type { DeletionsTiming } from '../../../src/registry/manifests/deletions.ts'
import { blobPath } from '../../../src/registry/paths.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { collect, collectorOf, GUARD } from '../../gc/support.ts'
import { HttpRegistry, quiet } from '../../support/http-registry.ts'
import { interruptedDriver } from '../../support/interrupted-driver.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'

/** The one that died is gone at once. */
const AT_ONCE: Timing = {
  collector: { leaseMs: 5, beatMs: 20, settleMs: 0 },
  deletions: { leaseMs: 40, beatMs: 5, patienceMs: 5_000 },
  tickMs: 20,
}

/** Object stores count in seconds, and a request may take long. */
export const IN_SECONDS: Timing = {
  collector: { leaseMs: 2_000, beatMs: 200, settleMs: 0 },
  deletions: { leaseMs: 4_000, beatMs: 200, patienceMs: 20_000 },
  tickMs: 1_100,
}

interface Timing {
  readonly collector: CollectorTiming
  readonly deletions: DeletionsTiming
  /** Until what was just pushed is older than a collection. */
  readonly tickMs: number
}

const image = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
)
const kept = ['config', 'layer', image]
/** It has no tag. */
const untagged = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('garbage 1')] })),
)
const garbage = ['garbage 1', 'garbage 2', 'garbage 3', untagged]

const open = (driver: StorageDriver, { deletions }: Timing) =>
  new StoredRegistry({ driver, policy: DEFAULT_POLICY, deletions, log: quiet })

export async function fill(driver: StorageDriver, { tickMs } = AT_ONCE): Promise<void> {
  const registry = await HttpRegistry.start({ driver, collection: GUARD })
  for (const blob of ['config', 'layer', 'garbage 1', 'garbage 2', 'garbage 3'])
    await registry.client.pushBlob('a', Buffer.from(blob))
  const headers = { 'content-type': MediaType.ociManifest }
  for (const [reference, body] of [
    ['v1', image],
    [digestOf(untagged), untagged],
  ]) {
    const { status } = await registry.send(`PUT /v2/a/manifests/${reference}`, {
      headers,
      body: body as Buffer,
    })
    expect(status).toBe(201)
  }
  await registry.stop()
  await delay(tickMs)
}

const stored = async (driver: StorageDriver, blobs: readonly (string | Buffer)[]) => {
  const looks = blobs.map((blob) =>
    driver.stat(blobPath(digestOf(Buffer.from(blob)))).then(
      () => 1,
      () => 0,
    ),
  )
  return (await Promise.all(looks)).reduce<number>((sum, one) => sum + one, 0)
}

/** What is collected: untagged manifests as well, or with quarantine. */
export type Mode = { readonly untagged: true } | { readonly coexist: true }

/** @returns false if the collection came to its end before the call */
async function dieAt(
  driver: StorageDriver,
  { call, when, mode, timing }: { call: number; when: 'before' | 'after'; mode: Mode; timing: Timing },
): Promise<boolean> {
  const interrupted = interruptedDriver(driver, { call, when })
  const registry = open(interrupted.driver, timing)
  const steps = collectorOf(registry, { timing: timing.collector, batchSize: 2, ...mode }).steps()
  const work = run(steps, { log: quiet, dryRun: false }).catch(() => undefined)
  await Promise.race([work, interrupted.death])
  return interrupted.isDead()
}

export interface Survival {
  readonly mode?: Mode
  /** True if the driver that is opened is filled. */
  readonly isFilled?: boolean
  /** The first call at which it dies. Default: 1. */
  readonly first?: number
  /** It dies at one of so many calls. Default: 1. */
  readonly oneIn?: number
  readonly timing?: Timing
}

/** @param parity of the calls that are not made any more; it dies after the others
 *  @returns how many calls a whole collection makes */
export async function survives(
  openDriver: () => Promise<StorageDriver>,
  parity: 0 | 1,
  { mode = { untagged: true }, isFilled = false, first = 1, oneIn = 1, timing = AT_ONCE }: Survival = {},
): Promise<number> {
  const gone = 'untagged' in mode ? garbage : ['garbage 2', 'garbage 3']
  for (let call = first; ; call += oneIn) {
    const when = ((call - first) / oneIn) % 2 === parity ? 'before' : 'after'
    const driver = await openDriver()
    if (!isFilled) await fill(driver, timing)
    if (!(await dieAt(driver, { call, when, mode, timing }))) return call - 1
    expect([call, when, await stored(driver, kept)]).toEqual([call, when, kept.length])
    // On a loaded machine the fence of a removal can end before the removal comes: then the manifest is left to the next collection.
    for (let postponed = 1; postponed > 0; ) {
      const report = await collect(open(driver, timing), { timing: timing.collector, ...mode })
      postponed = report.postponedManifests
    }
    expect([call, when, await stored(driver, gone)]).toEqual([call, when, 0])
    expect([call, when, await stored(driver, kept)]).toEqual([call, when, kept.length])
    const state = await driver.getState('/docker/registry/v2/gc/state')
    expect([call, when, JSON.parse(Buffer.from(state!.content).toString()).phase]).toEqual([
      call,
      when,
      'idle',
    ])
  }
}
