import { vi } from 'vitest'
import { describeRegistry } from '../../../test/contract/registry.ts'
import { describeOnGcs } from '../../../test/support/gcs-under-test.ts'

vi.setConfig({ testTimeout: 120_000 })

describeOnGcs('the registry over gcs', (current) => {
  describeRegistry('gcs', () => current().open())
})
