/** A collector that dies at any call of the storage, before it is made or after: the next one finishes, and nothing is lost. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { run } from '../../src/maintenance/runner.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { collect, collectorOf, GUARD } from '../gc/support.ts'
import { copiedDriver } from '../support/copied-driver.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { interruptedDriver } from '../support/interrupted-driver.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** The one that died is gone at once. */
const TIMING = { leaseMs: 5, beatMs: 20, settleMs: 0 }
const DELETIONS = { leaseMs: 40, beatMs: 5, patienceMs: 5_000 }

const image = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
)
const kept = ['config', 'layer', image]
/** It has no tag. */
const untagged = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('garbage 1')] })),
)
const garbage = ['garbage 1', 'garbage 2', 'garbage 3', untagged]

const open = (driver: StorageDriver) =>
  new StoredRegistry({ driver, policy: DEFAULT_POLICY, deletions: DELETIONS, log: quiet })

async function fill(driver: StorageDriver): Promise<void> {
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
  await delay(20)
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
type Mode = { readonly untagged: true } | { readonly coexist: true }

/** @returns false if the collection came to its end before the call */
async function dieAt(
  driver: StorageDriver,
  { call, when, mode }: { call: number; when: 'before' | 'after'; mode: Mode },
): Promise<boolean> {
  const interrupted = interruptedDriver(driver, { call, when })
  const registry = open(interrupted.driver)
  const steps = collectorOf(registry, { timing: TIMING, batchSize: 2, ...mode }).steps()
  const work = run(steps, { log: quiet, dryRun: false }).catch(() => undefined)
  await Promise.race([work, interrupted.death])
  return interrupted.isDead()
}

/** @param parity of the calls that are not made any more; it dies after the others */
async function survives(
  openDriver: () => Promise<StorageDriver>,
  parity: 0 | 1,
  { mode = { untagged: true }, isFilled = false }: { mode?: Mode; isFilled?: boolean } = {},
): Promise<number> {
  const gone = 'untagged' in mode ? garbage : ['garbage 2', 'garbage 3']
  for (let call = 1; ; call++) {
    const when = call % 2 === parity ? 'before' : 'after'
    const driver = await openDriver()
    if (!isFilled) await fill(driver)
    if (!(await dieAt(driver, { call, when, mode }))) return call - 1
    expect([call, when, await stored(driver, kept)]).toEqual([call, when, kept.length])
    await collect(open(driver), { timing: TIMING, ...mode })
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

test.each([0, 1] as const)('in memory, before and after calls in turn (%i)', async (parity) => {
  expect(await survives(async () => new MemoryDriver(), parity)).toBeGreaterThan(20)
})

test.each([0, 1] as const)('on a disk, before and after calls in turn (%i)', async (parity) => {
  await using folder = await temporaryFolder()
  let number = 0
  const openDriver = () => FilesystemDriver.open({ root: `${folder.path}/${number++}` })
  expect(await survives(openDriver, parity)).toBeGreaterThan(20)
})

test('with quarantine, what is deleted has a copy there', async () => {
  const filled = new MemoryDriver()
  await fill(filled)
  const opened: MemoryDriver[] = []
  const openDriver = async () => {
    const driver = await copiedDriver(filled)
    opened.push(driver)
    await delay(20)
    return driver
  }
  const options = { mode: { coexist: true }, isFilled: true } as const
  expect(await survives(openDriver, 0, options)).toBeGreaterThan(20)
  for (const driver of opened) {
    for (const blob of ['garbage 2', 'garbage 3']) {
      const copies = await collectAll(new Quarantine(driver).find(digestOf(Buffer.from(blob)), 'collected'))
      expect(Buffer.from(await driver.get(copies[0]?.path as string)).toString()).toBe(blob)
    }
  }
})
