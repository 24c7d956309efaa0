import { expect, it } from 'vitest'
import { expectStorageError } from '../../test/contract/storage-driver/support.ts'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeOnGcs } from '../../test/support/gcs-under-test.ts'

describeOnGcs('gcs', (current) => {
  describeStorageDriver('gcs', () => current().open({ rootdirectory: '/some/root/' }), {
    manyChildren: 2_500, // the program looks at every object it has whenever it writes one
  })

  it('says why it opens no fence', async () => {
    const { front } = current().server
    const { driver, close } = await current().open()
    front.countsMetadata = false
    try {
      const error = await expectStorageError(driver.openFence(), 'UNSUPPORTED')
      expect(error.message).toBe('the store does not count changes of metadata (metageneration)')
    } finally {
      front.countsMetadata = true
      await close()
    }
  })
})
