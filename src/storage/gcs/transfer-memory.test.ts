import { expect, it } from 'vitest'
import { distinctBytes, expectSameBytes } from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs } from '../../../test/support/gcs-under-test.ts'
import type { FileWriter } from '../../core/storage-driver.ts'

const KIB = 1024
const UPLOADS = 12
const CHUNK = distinctBytes(64 * KIB)

describeOnGcs('what slow uploads send to gcs', (current) => {
  it.each([
    { title: 'beyond the budget goes on in smaller pieces', transferMemory: 512 * KIB, sent: true },
    { title: 'within the budget is gathered', transferMemory: 64 * 1024 * KIB, sent: false },
  ])('$title', async ({ transferMemory, sent }) => {
    const opened = await current().open({ transferMemory, chunksize: 4 * 1024 * KIB })
    const { driver } = opened
    current().server.front.forget()
    const writers: FileWriter[] = []
    for (let number = 0; number < UPLOADS; number++)
      writers.push(await driver.append(`/upload-${number}`, { offset: 0 }))
    for (let round = 0; round < 16; round++)
      await Promise.all(writers.map((writer) => writer.write(Buffer.from(CHUNK))))
    const uploads = current().server.front.requestsLike(/^POST \/upload/).length
    // A piece of 256 KiB at least, and half a MiB of an upload may be on its way or wait for more.
    if (sent) expect(uploads).toBeGreaterThanOrEqual(UPLOADS)
    else expect(uploads).toBe(0)
    await Promise.all(writers.map((writer) => writer.close()))
    const expected = Buffer.concat(Array.from({ length: 16 }, () => CHUNK))
    for (let number = 0; number < UPLOADS; number++)
      expectSameBytes(await driver.get(`/upload-${number}`), expected)
    await opened.close()
  })
})
