import { expect, it, onTestFinished } from 'vitest'
import { distinctBytes, expectSameBytes } from '../../../../test/contract/storage-driver/support.ts'
import { azureSettings } from '../../../../test/support/azure-driver.ts'
import { Azurite } from '../../../../test/support/azurite.ts'
import { quiet } from '../../../../test/support/http-registry.ts'
import type { FileWriter } from '../../../core/storage-driver.ts'
import { AzureDriver } from '../../azure.ts'

const KIB = 1024
const UPLOADS = 12
const CHUNK = distinctBytes(64 * KIB)

it.each([
  { title: 'beyond the budget goes on in smaller blocks', transferMemory: 512 * KIB, sent: true },
  { title: 'within the budget is gathered', transferMemory: 64 * 1024 * KIB, sent: false },
])('what slow uploads send $title', async ({ transferMemory, sent }) => {
  const azurite = await Azurite.start()
  onTestFinished(() => azurite.stop())
  const { containerName } = await azurite.container()
  const settings = azureSettings({ container: containerName, serviceurl: azurite.serviceUrl })
  const driver = await AzureDriver.open(settings, { log: quiet, transferMemory })
  onTestFinished(() => driver.close())
  const path = (number: number) => `/upload-${number}`
  const writers: FileWriter[] = []
  for (let number = 0; number < UPLOADS; number++)
    writers.push(await driver.append(path(number), { offset: 0 }))
  for (let round = 0; round < 16; round++)
    await Promise.all(writers.map((writer) => writer.write(Buffer.from(CHUNK))))
  const sizes = await Promise.all(
    writers.map(async (_, number) => {
      const info = await driver.stat(path(number))
      return info.kind === 'file' ? info.size : 0
    }),
  )
  const sentBytes = sizes.reduce((sum, size) => sum + size, 0)
  if (sent) expect(UPLOADS * 16 * CHUNK.length - sentBytes).toBeLessThanOrEqual(UPLOADS * 512 * KIB)
  else expect(sentBytes).toBe(0)
  await Promise.all(writers.map((writer) => writer.close()))
  const expected = Buffer.concat(Array.from({ length: 16 }, () => CHUNK))
  for (let number = 0; number < UPLOADS; number++) expectSameBytes(await driver.get(path(number)), expected)
})
