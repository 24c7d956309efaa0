import { describeRegistry } from '../../test/contract/registry.ts'
import { BucketLikeDriver } from '../../test/support/bucket-like-driver.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../storage/filesystem.ts'
import { MemoryDriver } from '../storage/memory.ts'

describeRegistry('memory', async () => {
  const driver = new MemoryDriver()
  return { driver, another: async () => driver, close: () => driver.close() }
})

describeRegistry('memory, used as a bucket is', async () => {
  const driver = new BucketLikeDriver(new MemoryDriver())
  return { driver, another: async () => driver, close: () => driver.close() }
})

describeRegistry('a folder', async () => {
  const folder = await temporaryFolder()
  const driver = new FilesystemDriver({ root: folder.path })
  const close = async () => {
    await driver.close()
    await folder.remove()
  }
  return { driver, another: async () => new FilesystemDriver({ root: folder.path }), close }
})
