import { expect, it } from 'vitest'
import { expectStorageError } from '../../test/contract/storage-driver/support.ts'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeOnGcs } from '../../test/support/gcs-under-test.ts'

const NO_FENCES = 'expiring delete requests are not supported for Google Cloud Storage'
const FENCES = [
  'a fence removes files, and nothing else',
  'no file is removed by a fence that is closed, whoever has closed it',
  'what is put where a file is removed meanwhile is there in the end, or is not, but whole',
]

describeOnGcs('gcs', (current) => {
  describeStorageDriver('gcs', () => current().open({ rootdirectory: '/some/root/' }), {
    cannot: Object.fromEntries(FENCES.map((name) => [name, NO_FENCES])),
    manyChildren: 2_500, // the program looks at every object it has whenever it writes one
  })

  it('says why it opens no fence', async () => {
    await using opened = new AsyncDisposableStack()
    const { driver } = opened.adopt(await current().open(), (one) => one.close())
    const error = await expectStorageError(driver.openFence(), 'UNSUPPORTED')
    expect(error.message).toBe(NO_FENCES)
  })
})
