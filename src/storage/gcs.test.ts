import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeOnGcs } from '../../test/support/gcs-under-test.ts'

describeOnGcs('gcs', (current) => {
  describeStorageDriver('gcs', () => current().open({ rootdirectory: '/some/root/' }), {
    manyChildren: 2_500, // the program looks at every object it has whenever it writes one
  })
})
