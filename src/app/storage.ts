import type { Config } from '../config/schema.ts'
import type { StorageDriver } from '../core/storage-driver.ts'

/** A driver's code is loaded when it is configured. */
export async function openDriver(storage: Config['storage']): Promise<StorageDriver> {
  if (storage.inmemory !== undefined) {
    const { MemoryDriver } = await import('../storage/memory.ts')
    return new MemoryDriver()
  }
  if (storage.gcs !== undefined) {
    const { GcsDriver } = await import('../storage/gcs.ts')
    return GcsDriver.open(storage.gcs)
  }
  if (storage.filesystem === undefined) throw new Error('the storage driver is not served')
  const { FilesystemDriver } = await import('../storage/filesystem.ts')
  const options = { root: storage.filesystem.rootdirectory }
  return storage.maintenance.readonly.enabled ? new FilesystemDriver(options) : FilesystemDriver.open(options)
}
