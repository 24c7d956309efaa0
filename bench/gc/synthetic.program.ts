/** Collects a store that exists in name only. Arguments: a folder for the collector's own files, and the number of images. */

import type { Collectable } from '../../src/core/collection/collectable.ts'
import { growYoungGeneration } from '../../src/lib/young-generation.ts'
import { Collector } from '../../src/maintenance/gc/collector.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { SyntheticStore } from './synthetic-store.ts'

// As the command does.
growYoungGeneration({ untilBytes: 4 * 1024 ** 2 })
const [, , root = '', images = '0'] = process.argv
const content = new SyntheticStore(await FilesystemDriver.open({ root }), Number(images))
const timing = { leaseMs: 60_000, beatMs: 10_000, settleMs: 0 }
const options = { graceMs: 0, pace: 0, dryRun: false, timing, batchSize: 10_000 }
const collector = new Collector({ content: content as unknown as Collectable, ...options })
for await (const step of collector.steps()) await step.run()
const { blobs, deletedBlobs } = collector.report
const peak = ((1024 * process.resourceUsage().maxRSS) / 1e6).toFixed(0)
console.log(`${deletedBlobs} of ${blobs} blobs, ${content.reads} manifests read, ${peak} MB at most`)
