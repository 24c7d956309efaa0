/** Pushes beside collections with the settings that a registry has by default: a day of grace, the collector's lease, and its wait. None is
 *  refused, not even one that uses what has been garbage for days.
 *
 *  `GC_SOAK_SECONDS` is how long it lasts; `GC_SOAK_SEED` repeats the choices of a run. */
import { utimes } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import { COLLECTOR_TIMING } from '../../src/maintenance/gc/collector-options.ts'
import { blobPath, RepositoryPaths } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { collect } from '../gc/support.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { seededRandom } from '../support/random.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const seconds = Number(process.env.GC_SOAK_SECONDS ?? 15)
const seed = process.env.GC_SOAK_SEED ?? String(Date.now())
const TIMEOUT_MS = 300_000 + 2_000 * seconds
const HOUR_MS = 3_600_000
const DAYS_2 = 48 * HOUR_MS
const CLIENTS = 4
/** More than two batches. */
const GARBAGE = 2_500
/** One push in so many uses garbage. */
const REUSES_ONE_IN = 5

const shared = Array.from({ length: 20 }, (_, index) => `shared layer ${index}`)

test(
  'beside collections with a grace period of a day no push is refused',
  async () => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: folder.path })
    const settings = { redirects: undefined }
    await using registry = await HttpRegistry.start({ driver, collection: true, settings })
    await using collecting = await HttpRegistry.start({ driver, collection: true, settings })
    const random = seededRandom(seed)
    const figures = {
      pushes: 0,
      reused: 0,
      refused: [] as string[],
      collections: 0,
      deletedBlobs: 0,
      rescued: 0,
    }
    let garbage: readonly string[] = []
    let isOver = false

    const push = async (client: number, number: number) => {
      const path = `/v2/client-${client}`
      const isReuse = random.below(REUSES_ONE_IN) === 0
      const last = isReuse ? random.pick(garbage) : `layer ${number} of ${client}`
      const blobs = [`config ${number} of ${client}`, random.pick(shared), last]
      for (const blob of blobs) {
        const digest = digestOf(Buffer.from(blob))
        if ((await registry.send(`HEAD ${path}/blobs/${digest}`)).status === 200) continue
        const headers = { 'content-type': 'application/octet-stream' }
        const body = Buffer.from(blob)
        const { status } = await registry.send(`POST ${path}/blobs/uploads/?digest=${digest}`, {
          headers,
          body,
        })
        if (status !== 201) figures.refused.push(`blob ${blob}: ${status}`)
      }
      const [config = '', ...layers] = blobs
      const json = imageJson({ config: descriptorOf(config), layers: layers.map((one) => descriptorOf(one)) })
      const headers = { 'content-type': MediaType.ociManifest }
      const body = Buffer.from(payloadOf(json))
      const { status } = await registry.send(`PUT ${path}/manifests/v${number % 10}`, { headers, body })
      figures.pushes++
      if (isReuse) figures.reused++
      if (status !== 201) figures.refused.push(`manifest with ${last}: ${status}`)
    }
    const work = async (client: number) => {
      for (let number = 0; !isOver; number++) await push(client, number)
    }
    /** Its links are as old. */
    const addGarbage = async (round: number) => {
      const added = Array.from({ length: GARBAGE }, (_, index) => `garbage ${index} of ${round}`)
      const old = new Date(Date.now() - DAYS_2)
      for (const [index, blob] of added.entries()) {
        const digest = digestOf(Buffer.from(blob))
        const { layers } = new RepositoryPaths(`client-${index % CLIENTS}` as RepositoryName)
        const link = `${layers}/${digest.replace(':', '/')}/link`
        await driver.put(blobPath(digest), Buffer.from(blob), { durable: false })
        await driver.put(link, Buffer.from(digest), { durable: false })
        for (const file of [blobPath(digest), link]) await utimes(folder.path + file, old, old)
      }
      garbage = added
    }

    await addGarbage(0)
    const clients = Array.from({ length: CLIENTS }, (_, client) => work(client))
    const endsAt = performance.now() + seconds * 1000
    do {
      const options = { graceMs: 24 * HOUR_MS, timing: COLLECTOR_TIMING }
      const { deletedBlobs, rescuedBlobs } = await collect(collecting.registry, options)
      figures.collections++
      figures.deletedBlobs += deletedBlobs
      figures.rescued += rescuedBlobs
      if (performance.now() < endsAt) await addGarbage(figures.collections)
    } while (performance.now() < endsAt)
    isOver = true
    await Promise.all(clients)
    process.stdout.write(`seed ${seed}, ${JSON.stringify(figures)}\n`)
    expect(figures.refused).toEqual([])
    expect(figures.rescued).toBeGreaterThan(0)
    expect(figures.deletedBlobs).toBeGreaterThan(1_000)
  },
  TIMEOUT_MS,
)
