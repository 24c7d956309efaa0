import { beforeEach, expect, it } from 'vitest'
import {
  collect,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

describeOnGcs('reading objects of gcs', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  const content = distinctBytes(3_000_000)
  beforeEach(() => driver.put('/file', content))

  it('asks for the rest where the connection breaks, of the same generation', async () => {
    current().server.front.failFirst(/alt=media/, { breakAfter: 1_000_000 })
    expectSameBytes(await collect(driver.read('/file')), content)
    expect(current().server.front.requestsLike(/alt=media&generation=\d+/)).toHaveLength(1)
  })

  it('the same of a range', async () => {
    current().server.front.failFirst(/alt=media/, { breakAfter: 500_000 }, 3)
    const range = { start: 1_000_001, end: 2_999_990 }
    expectSameBytes(await collect(driver.read('/file', { range })), content.subarray(1_000_001, 2_999_991))
    expect(current().server.front.requestsLike(/alt=media&generation/)).toHaveLength(3)
  })

  it('gives up where nothing comes any more', async () => {
    current().server.front.failFirst(/alt=media/, { breakAfter: 0 }, 1000)
    await expectStorageError(collect(driver.read('/file')), 'BUSY')
  })

  it('never goes on with what replaced the file', async () => {
    const reader = driver.read('/file')[Symbol.asyncIterator]()
    current().server.front.failFirst(/alt=media/, { breakAfter: 1_000_000 })
    await reader.next()
    await driver.put('/file', distinctBytes(3_000_000, 2))
    const rest = async () => {
      for (let step = await reader.next(); step.done !== true; ) step = await reader.next()
    }
    await expectStorageError(rest(), 'BACKEND_FAILED')
  })

  it('takes nothing for content that is not what was asked for', async () => {
    for (const range of [undefined, { start: 5, end: 9 }]) {
      current().server.front.failFirst(/alt=media/, { status: 200, body: 'a page of some proxy' })
      await expectStorageError(collect(driver.read('/file', { range })), 'BACKEND_FAILED')
    }
  })

  it('takes the whole for a part only where both begin together', async () => {
    current().server.front.fault = ({ headers }) => {
      delete headers.range
      return undefined
    }
    const from = (start: number) =>
      collect(driver.read('/file', { range: { start, end: content.length - 1 } }))
    await expectStorageError(from(1), 'BACKEND_FAILED')
    expectSameBytes(await from(0), content)
  })

  it('waits for a slow consumer', async () => {
    const { driver, close } = await current().open({ idleMs: 500, bucket: opened().bucket })
    const chunks: Buffer[] = []
    for await (const chunk of driver.read('/file')) {
      if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 1_500))
      chunks.push(Buffer.from(chunk))
    }
    expectSameBytes(Buffer.concat(chunks), content)
    expect(current().server.front.requestsLike(/alt=media&generation/)).toEqual([])
    await close()
  })

  it('that is left early does not disturb others', async () => {
    const others = [driver.read('/file'), driver.read('/file')].map((read) => read[Symbol.asyncIterator]())
    const starts = await Promise.all(others.map(async (other) => Buffer.from((await other.next()).value)))
    for await (const _chunk of driver.read('/file')) break
    for (const [index, other] of others.entries()) {
      const chunks = [starts[index] as Buffer]
      for (let step = await other.next(); step.done !== true; step = await other.next()) {
        chunks.push(Buffer.from(step.value))
      }
      expectSameBytes(Buffer.concat(chunks), content)
    }
    expect(current().server.front.requestsLike(/alt=media&generation/)).toEqual([])
  })
})
