import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'

/** A driver in memory with the files of another one. */
export async function copiedDriver(from: StorageDriver): Promise<MemoryDriver> {
  const copy = new MemoryDriver()
  for await (const files of from.scan('/'))
    for (const { path } of files) await copy.put(path, await from.get(path))
  return copy
}
