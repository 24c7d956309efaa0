/** An empty part of another writer may get bytes before it is removed. */
import type * as promises from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'

const held = vi.hoisted(() => ({ unlink: undefined as (() => Promise<void>) | undefined }))

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof promises>()
  const unlink = async (path: string) => {
    const { unlink: wait } = held
    held.unlink = undefined
    await wait?.()
    await fs.unlink(path)
  }
  return { ...fs, unlink }
})

it('what was told to be there stays there', async () => {
  await using folder = await temporaryFolder()
  const [one, other] = [0, 1].map(() => new FilesystemDriver({ root: folder.path, quickCalls: 'never' })) as [
    FilesystemDriver,
    FilesystemDriver,
  ]
  const full = await one.append('/data', { offset: 0 })
  const empty = await other.append('/data', { offset: 0 })
  let told: boolean | undefined
  held.unlink = async () => {
    full.write(Buffer.from('bytes'))
    told = await full.sync().then(
      () => true,
      () => false,
    )
  }
  await empty.sync().catch(() => undefined)
  expect(told).toBeDefined()
  if (told) expect(await other.stat('/data')).toMatchObject({ size: 5 })
  await Promise.allSettled([full.close(), empty.close()])
})
