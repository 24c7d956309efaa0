import { readdir, stat } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../../filesystem.ts'

const KIB = 1024

let folder: TemporaryFolder
let driver: FilesystemDriver
beforeEach(async () => {
  folder = await temporaryFolder()
  driver = new FilesystemDriver({ root: folder.path })
})
afterEach(() => folder.remove())

/** Sum of the files in a folder, by their sizes on disk. */
async function bytesIn(path: string): Promise<number> {
  const inside = `${folder.path}${path}`
  const sizes = await Promise.all(
    (await readdir(inside)).map(async (name) => (await stat(`${inside}/${name}`)).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

it('small chunks wait to be written together, and a sync writes them', async () => {
  const writer = await driver.append('/a/file', { offset: 0 })
  for (let index = 0; index < 10; index++) await writer.write(Buffer.alloc(KIB))
  await stat(folder.path) // a trip to the thread pool, in which a write would have begun
  expect(await bytesIn('/a')).toBe(0)
  expect(writer.size).toBe(10 * KIB)
  await writer.sync()
  expect(await bytesIn('/a')).toBe(10 * KIB)
  await writer.write(Buffer.alloc(KIB))
  await writer.close()
  expect(await bytesIn('/a')).toBe(11 * KIB)
})

it('many chunks are written before anything asks for it', async () => {
  const writer = await driver.append('/a/file', { offset: 0 })
  for (let index = 0; index < 64; index++) await writer.write(Buffer.alloc(16 * KIB))
  await expect.poll(() => bytesIn('/a')).toBeGreaterThanOrEqual(512 * KIB)
  await writer.close()
  expect(await bytesIn('/a')).toBe(1024 * KIB)
})

it('many idle uploads hold no more than the budget of all, and a little each', async () => {
  const writers = await Promise.all(
    Array.from({ length: 150 }, (_, index) => driver.append(`/uploads/${index}`, { offset: 0 })),
  )
  for (const writer of writers) {
    for (let index = 0; index < 7; index++) await writer.write(Buffer.alloc(64 * KIB))
  }
  const size = writers.reduce((sum, writer) => sum + writer.size, 0)
  await expect.poll(async () => size - (await bytesIn('/uploads'))).toBeLessThan(56 * KIB * KIB)
  await Promise.all(writers.map((writer) => writer.close()))
  expect(await bytesIn('/uploads')).toBe(size)
})
