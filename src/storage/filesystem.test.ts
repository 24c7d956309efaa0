import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeFolders } from '../../test/contract/storage-driver-folders.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { FilesystemDriver } from './filesystem.ts'

async function open() {
  const folder = await temporaryFolder()
  const root = `${folder.path}/root`
  const driver = new FilesystemDriver({ root })
  const close = async () => {
    await driver.close()
    await folder.remove()
  }
  return { driver, another: async () => new FilesystemDriver({ root }), close }
}

describeStorageDriver('filesystem', open)
describeFolders('filesystem', open)
