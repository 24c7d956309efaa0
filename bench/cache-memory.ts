/** Prints the bytes of memory (RSS) that a process holds with so many descriptors in its cache, each of a blob of one
 *  repository. Usage: `node --expose-gc bench/cache-memory.ts <descriptors>` */
import { createHash } from 'node:crypto'
import { MemoryDescriptorCache } from '../src/cache/memory.ts'
import { type ContentSource, storedContent } from '../src/core/descriptor-cache.ts'
import type { Digest } from '../src/core/digest.ts'
import { parseRepositoryName } from '../src/core/reference.ts'

const descriptors = Number(process.argv[2])
const cache = new MemoryDescriptorCache({ maxEntries: 0 })
const info = { mediaType: 'application/octet-stream', size: 1024 }
const source: ContentSource = {
  repository: parseRepositoryName('library/an-image-of-some-team'),
  kind: 'blob',
  resolve: async (digest) => digest,
  describe: async () => info,
}
for (let index = 0; index < descriptors; index++) {
  const digest = `sha256:${createHash('sha256').update(`${index}`).digest('hex')}` as Digest
  await cache.writeThrough(source, digest, async () => storedContent(digest, digest, info))
}
globalThis.gc?.()
console.log(process.memoryUsage.rss())
