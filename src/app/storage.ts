import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { Ingest } from '../lib/ingest/ingest.ts'

/** Opens the configured driver and loads only its code.
 *  @param ingest writes large uploads to a filesystem. Default: the driver does by itself */
export async function openDriver(
  storage: Config['storage'],
  log: Log,
  ingest?: Ingest,
): Promise<StorageDriver> {
  if (storage.inmemory !== undefined) {
    const { MemoryDriver } = await import('../storage/memory.ts')
    return new MemoryDriver()
  }
  const readOnly = storage.maintenance.readonly.enabled
  const transferMemory = storage.transfermemory
  if (storage.s3 !== undefined) {
    const { S3Driver } = await import('../storage/s3.ts')
    return S3Driver.open(storage.s3, { log, readOnly, transferMemory })
  }
  if (storage.azure !== undefined) {
    const { AzureDriver } = await import('../storage/azure.ts')
    return AzureDriver.open(storage.azure, { log, transferMemory })
  }
  if (storage.gcs !== undefined) {
    const { GcsDriver } = await import('../storage/gcs.ts')
    return GcsDriver.open({ ...storage.gcs, transferMemory })
  }
  const { FilesystemDriver } = await import('../storage/filesystem.ts')
  const { rootdirectory: root, quickcalls: quickCalls } = storage.filesystem
  return FilesystemDriver.open({ root, readOnly, transferMemory, quickCalls, ingest })
}
