import type { GenerationFile } from '../cache/redis/generation.ts'
import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { ErrorMappingDriver } from '../registry/error-mapping-driver.ts'
import { CACHE_GENERATION } from '../registry/paths.ts'

/** The file of the cache's generation, on the storage that the replicas share. */
export function cacheGenerationFile(
  driver: StorageDriver,
  { isWritable }: { isWritable: boolean },
): GenerationFile {
  const storage = new ErrorMappingDriver(driver)
  return {
    isWritable,
    async read() {
      try {
        return Buffer.from(await storage.get(CACHE_GENERATION))
          .toString('latin1')
          .trim()
      } catch (error) {
        if (isPathNotFound(error)) return undefined
        throw error
      }
    },
    write: (content) => storage.put(CACHE_GENERATION, Buffer.from(content, 'latin1')),
  }
}
