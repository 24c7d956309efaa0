/** What a server that collects and scrubs by its schedule tells a scraper, by the names of the metrics. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { Exposition } from '../support/exposition.ts'
import { freePort } from '../support/free-port.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES_4 = 240_000
const POLL_MS = 200

test(
  'a scheduled collection and a scheduled scrub show in the metrics',
  async () => {
    await using folder = await temporaryFolder()
    const dataFolder = `${folder.path}/data`
    const schedule = '* * * * *'
    const maintenance = {
      gc: { enabled: true, schedule, grace: '0s' },
      scrub: { enabled: true, schedule, pace: '0' },
    }
    const storage = { filesystem: { rootdirectory: dataFolder }, maintenance }
    const debug = { addr: `127.0.0.1:${await freePort()}`, prometheus: { enabled: true } }
    const config = { http: { addr: '127.0.0.1:0', debug }, storage }
    await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
    const client = new RegistryClient(registry.url)
    const garbage = [Buffer.from('first'), Buffer.from('second one')]
    for (const blob of garbage) await client.pushBlob('a', blob)
    const damaged = digestOf(Buffer.from('as it was'))
    const driver = await FilesystemDriver.open({ root: dataFolder })
    await driver.put(blobPath(damaged), Buffer.from('damaged'))

    const phases = new Set<string>()
    let seen = new Exposition('\n')
    const value = (name: string) => seen.value(`registry_${name}`)
    const isOver = () => (value('gc_collections_total') ?? 0) > 0 && (value('scrub_scrubs_total') ?? 0) > 0
    const startedAt = Date.now() / 1000
    for (; !isOver(); await delay(POLL_MS)) {
      seen = new Exposition(await (await fetch(`http://${debug.addr}/metrics`)).text())
      for (const phase of seen.labelValues('registry_gc_phase', 'phase')) phases.add(phase)
    }
    // The collection waits for pushes for so long that no scrape misses it.
    expect(phases).toContain('waiting for pushes')
    expect(value('gc_deleted_blobs_total')).toBeGreaterThanOrEqual(garbage.length)
    expect(value('gc_deleted_bytes_total')).toBeGreaterThanOrEqual(Buffer.concat(garbage).length)
    expect(value('gc_last_duration_seconds')).toBeGreaterThan(10)
    expect(value('gc_last_success_timestamp_seconds')).toBeGreaterThan(startedAt)
    expect([value('gc_failures_total'), value('gc_unreadable_manifests')]).toEqual([0, 0])
    expect(value('scrub_blobs_total')).toBeGreaterThanOrEqual(1)
    expect(value('scrub_last_success_timestamp_seconds')).toBeGreaterThan(startedAt)
    expect(value('scrub_failures_total')).toBe(0)
    for (const name of [
      'gc_running',
      'scrub_running',
      'scrub_damaged_blobs_total',
      'scrub_healed_blobs_total',
    ])
      expect([name, value(name)]).toEqual([name, expect.any(Number)])
  },
  MINUTES_4,
)
