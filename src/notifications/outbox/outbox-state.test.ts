import { expect, it } from 'vitest'
import { MemoryDriver } from '../../storage/memory.ts'
import { outboxState } from './outbox-state.ts'
import { STATE } from './paths.ts'

it('reads how far journals were merged by versions that numbered their files', async () => {
  const storage = new MemoryDriver()
  const earlier = { epoch: 3, next: 7, merged: { one: 4, other: { file: 2, offset: 90 } } }
  await storage.swapState(STATE, Buffer.from(JSON.stringify(earlier)), undefined)
  const held = await outboxState(storage).get()
  expect(held?.state).toMatchObject({
    epoch: 3,
    next: 7,
    merged: { one: { file: 4, offset: 0 }, other: { file: 2, offset: 90 } },
  })
})
