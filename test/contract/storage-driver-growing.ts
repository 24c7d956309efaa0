import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GrowingFile } from '../../src/core/storage-driver.ts'
import { expectStorageError } from './storage-driver/support.ts'
import type { DriverUnderTest } from './storage-driver.ts'

/** What holds for drivers whose files grow. */
export function describeGrowing(name: string, open: () => Promise<DriverUnderTest>): void {
  const text = async (path: string) => Buffer.from(await opened.driver.get(path)).toString()
  let opened: DriverUnderTest

  async function create(path: string): Promise<GrowingFile> {
    const created = opened.driver.createGrowing?.(path)
    if (created === undefined) throw new Error('files do not grow')
    return created
  }

  describe(`growing files of the storage driver ${name}`, () => {
    beforeEach(async () => {
      opened = await open()
    })
    afterEach(() => opened.close())

    it('makes a file that readers see grow, durable or not', async () => {
      const file = await create('/a/b/file')
      expect(await text('/a/b/file')).toBe('')
      await file.append(Buffer.from('one '), { durable: true })
      expect(await text('/a/b/file')).toBe('one ')
      const large = 'x'.repeat(100_000)
      await file.append(Buffer.from(large), { durable: false })
      await file.append(Buffer.from(' end'), { durable: true })
      expect(await text('/a/b/file')).toBe(`one ${large} end`)
      await file.close()
      expect(await text('/a/b/file')).toBe(`one ${large} end`)
    })

    it('tells the time that a listing shows until more is added', async () => {
      const file = await create('/a/file')
      for (const part of ['one', 'two']) {
        const at = await file.append(Buffer.from(part), { durable: false })
        for await (const [found] of opened.driver.scan('/a')) expect(found?.modifiedAt).toEqual(at)
      }
      await file.close()
    })

    it('fails where there is a file', async () => {
      await opened.driver.put('/a/file', Buffer.from('content'))
      await expectStorageError(create('/a/file'), 'BACKEND_FAILED')
      expect(await text('/a/file')).toBe('content')
    })

    it('a file that was removed takes no more', async () => {
      const file = await create('/a/file')
      await file.append(Buffer.from('one'), { durable: true })
      await opened.driver.delete('/a')
      await expectStorageError(file.append(Buffer.from('two'), { durable: true }), 'PATH_NOT_FOUND')
      await file.close()
    })
  })
}
