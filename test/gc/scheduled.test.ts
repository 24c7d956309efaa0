/** What a collection that nobody has requested leaves in the audit log and in the metrics. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { collectAsScheduled, timingOf } from '../../src/app/maintenance/collection.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { AuditEntry } from '../../src/core/access/audit-log.ts'
import { newCollectionFigures } from '../../src/core/collection/collection-figures.ts'
import { readLastCollection } from '../../src/core/collection/last-collection.ts'
import { digestOf } from '../../src/core/digest.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { collect, GUARD, TIMING } from './support.ts'
import { imageOf, push } from './untagged-images.ts'

test('a line of the audit log says of each manifest and blob that it was collected', async () => {
  await using registry = await HttpRegistry.start({ driver: new MemoryDriver(), collection: GUARD })
  const [kept, untagged] = [imageOf('kept'), imageOf('untagged')]
  await push(registry, 'a', { manifest: kept, reference: 'v1' })
  await push(registry, 'a', { manifest: untagged })
  await delay(20)
  const lines: AuditEntry[] = []
  const figures = newCollectionFigures()
  const phases = new Set<string | undefined>()
  await collectAsScheduled({ grace: 0, pace: 0, untagged: true, coexist: false }, registry.registry, {
    ...{ figures, log: quiet, timing: TIMING, signal: new AbortController().signal },
    audit: {
      record(entry) {
        lines.push(entry)
        phases.add(figures.phase())
      },
    },
  })
  const gone = untagged.blobs.filter((blob) => !kept.blobs.includes(blob))
  const expected = [untagged.bytes, untagged.bytes, ...gone.map((blob) => Buffer.from(blob))]
  expect(lines.map(({ digest }) => digest).sort()).toEqual(expected.map((bytes) => digestOf(bytes)).sort())
  for (const line of lines)
    expect(line).toMatchObject({ action: 'collect', kind: 'robot', user: '', allowed: true, outcome: 'done' })
  expect(lines[0]).toMatchObject({ repository: 'a', digest: digestOf(untagged.bytes) })
  expect(await readLastCollection(registry.registry.storage)).toMatchObject({
    deletedBlobs: expected.length - 1,
    removedManifests: 1,
    findings: 0,
  })
  expect(phases).toEqual(new Set(['removing untagged manifests', 'deleting']))
  expect(figures).toMatchObject({ removedManifests: 1, deletedBlobs: expected.length - 1 })
})

test('a collection waits for pushes, unless all registries are read-only', () => {
  const settleMs = (env: Record<string, string>) =>
    timingOf(loadConfig({ path: undefined, env }).config).settleMs
  const gc = { REGISTRY_STORAGE_MAINTENANCE_GC_ENABLED: 'true' }
  const readOnly = { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }
  expect([settleMs(gc), settleMs({ ...gc, ...readOnly }), settleMs(readOnly)]).toEqual([12_000, 12_000, 0])
})

test.each([-1, 1])(
  'a clock that is off by %i h neither deletes what is young nor keeps what is old',
  async (hours) => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: folder.path })
    await using registry = await HttpRegistry.start({ driver, collection: GUARD })
    await registry.client.pushBlob('a', Buffer.from('of no manifest'))
    await delay(20)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 3_600_000 })
    try {
      expect((await collect(registry.registry, { graceMs: 30 * 60_000 })).deletedBlobs).toBe(0)
      expect((await collect(registry.registry, { coexist: true })).deletedBlobs).toBe(1)
    } finally {
      vi.useRealTimers()
    }
  },
)
