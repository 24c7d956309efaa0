/** Bits of a thousand blobs are flipped, or their ends are cut off: each is named, set aside, not served again, and healed. */
import { expect, test } from 'vitest'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { run } from '../../src/maintenance/runner.ts'
import { Scrub, type ScrubReport } from '../../src/maintenance/scrub/scrub.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const CONCURRENCY = 20

const blobsFor = (count: number) =>
  Array.from({ length: count }, (_, index) => Buffer.from(`blob ${index} `.repeat(50)))

async function scrub(registry: HttpRegistry, from?: StorageDriver): Promise<ScrubReport> {
  const { collectable: content } = registry.registry
  const one = new Scrub({ content, pace: 0, saveMs: 0, ...(from && { from }) })
  await run(one.steps(), { log: quiet, dryRun: false })
  return one.report
}

async function damage(driver: StorageDriver, blobs: readonly Buffer[]): Promise<void> {
  for (const [index, blob] of blobs.entries()) {
    const bytes = Buffer.from(index % 3 === 0 ? blob.subarray(0, -1) : blob)
    if (index % 3 !== 0) bytes[(index * 7) % bytes.length]! ^= 1 << (index % 8)
    await driver.put(blobPath(digestOf(blob)), bytes)
  }
}

async function forAll(blobs: readonly Buffer[], work: (blob: Buffer) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < blobs.length; start += CONCURRENCY)
    await Promise.all(blobs.slice(start, start + CONCURRENCY).map(work))
}

const sorted = (digests: Iterable<string>) => [...digests].toSorted()
const digestsOf = (blobs: readonly Buffer[]) => sorted(blobs.map((blob) => digestOf(blob)))

/** How many are answered with their bytes; the others must be missing. */
async function served(registry: HttpRegistry, blobs: readonly Buffer[]): Promise<number> {
  let count = 0
  await forAll(blobs, async (blob) => {
    const { status, body } = await registry.send(`GET /v2/a/blobs/${digestOf(blob)}`)
    if (status === 200) expect(body.equals(blob)).toBe(true)
    else expect(status).toBe(404)
    if (status === 200) count++
  })
  return count
}

test('a thousand are healed by copies in quarantine, by another storage, and by pushes', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver })
  const blobs = blobsFor(1_000)
  await forAll(blobs, (blob) => registry.client.pushBlob('a', blob))
  const [inQuarantine, elsewhere, pushedAgain] = [0, 1, 2].map((way) =>
    blobs.filter((_, index) => index % 3 === way),
  ) as [Buffer[], Buffer[], Buffer[]]
  const quarantine = new Quarantine(driver)
  const at = new Date()
  for (const blob of inQuarantine)
    await driver.put(quarantine.pathOf(digestOf(blob), { at, reason: 'collected' }), blob)
  const from = new MemoryDriver()
  for (const blob of elsewhere) await from.put(blobPath(digestOf(blob)), blob)
  await damage(driver, blobs)

  const { findings, totals } = await scrub(registry, from)
  const outcomes = new Map<string | undefined, Set<string>>()
  for (const { name, outcome } of findings)
    outcomes.set(outcome, (outcomes.get(outcome) ?? new Set()).add(name))
  expect(sorted(outcomes.get('healed from quarantine') ?? [])).toEqual(digestsOf(inQuarantine))
  expect(sorted(outcomes.get('healed from the other storage') ?? [])).toEqual(digestsOf(elsewhere))
  expect(sorted(outcomes.get('set aside') ?? [])).toEqual(digestsOf(pushedAgain))
  expect(totals).toMatchObject({ damagedBlobs: 1_000, healedBlobs: inQuarantine.length + elsewhere.length })
  for (const blob of pushedAgain) {
    const copies = await collectAll(quarantine.find(digestOf(blob) as Digest))
    expect(copies).toMatchObject([{ reason: 'damaged' }])
  }
  expect(await served(registry, pushedAgain)).toBe(0)
  await forAll(pushedAgain, (blob) => registry.client.pushBlob('a', blob))
  expect(await served(registry, blobs)).toBe(1_000)
  expect((await scrub(registry)).findings).toEqual([])
})

test('those of a mirror are fetched again from its upstream', async () => {
  const upstream = await ScriptedUpstream.start()
  await using mirror = await startMirror({ url: upstream.url })
  const blobs = blobsFor(200)
  for (const blob of blobs) upstream.addBlob(blob)
  const pullAll = async () => {
    expect(await served(mirror.http, blobs)).toBe(blobs.length)
    await expect.poll(() => mirror.flights.count).toBe(0)
  }
  await pullAll()
  await damage(mirror.http.driver, blobs)
  const { findings, totals } = await scrub(mirror.http)
  expect(sorted(findings.map(({ name }) => name))).toEqual(digestsOf(blobs))
  expect(totals.damagedBlobs).toBe(blobs.length)
  await pullAll()
  expect((await scrub(mirror.http)).findings).toEqual([])
  await upstream.stop()
})
