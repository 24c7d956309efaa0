import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import type { AppendOptions, FileVersion } from '../../../core/storage-driver.ts'
import { FilesystemDriver } from '../../filesystem.ts'

const ROUNDS = 30
const BYTES = Buffer.from('bytes')

it('whoever appends while another process removes the folder is done or refused', async () => {
  await using folder = await temporaryFolder()
  const options = { root: folder.path }
  const [one, other, third] = Array.from({ length: 3 }, () => new FilesystemDriver(options))
  for (let round = 0; round < ROUNDS; round++) {
    const path = `/upload-${round}/data`
    const version = await append(one!, path, { offset: 0 })
    const outcomes = await Promise.allSettled([
      append(one!, path, { version }),
      append(other!, path, { offset: BYTES.length }),
      append(other!, path, {}),
      append(third!, path, { offset: 0 }),
      delay(round / 10).then(() => third!.delete(`/upload-${round}`)),
    ])
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'OFFSET_INVALID' })
  }
})

async function append(
  driver: FilesystemDriver,
  path: string,
  options: AppendOptions,
): Promise<FileVersion | undefined> {
  const writer = await driver.append(path, options)
  try {
    writer.write(BYTES)
    await writer.sync()
  } finally {
    await writer.close()
  }
  return writer.version
}
