import { describe, expect, it } from 'vitest'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collectAll, expectStorageError, filledNamesIn, namesIn } from './support.ts'

/** Names in byte order where other orders (of letters, of numbers, of paths with their slash) would differ. */
const ORDERED = ['-a', '.a', '0', '10', '9', 'A', 'Z', '_a', 'a', 'a-', 'a.b', 'a0', 'aA', 'a_', 'aa', 'b']

export function describeListing(current: () => DriverUnderTest, manyChildren: number): void {
  describe('list', () => {
    it('nothing is listed where no folder stands', async () => {
      const { driver } = current()
      expect(await namesIn(driver, '/')).toEqual([])
      expect(await namesIn(driver, '/absent/folder')).toEqual([])
    })

    it('a file has no children', async () => {
      const { driver } = current()
      await driver.put('/a/file', Buffer.from('content'))
      expect(await namesIn(driver, '/a/file')).toEqual([])
    })

    it('children are told apart as files and folders, and grandchildren are not listed', async () => {
      const { driver } = current()
      await driver.put('/a/file', Buffer.from('content'))
      await driver.put('/a/folder/below/file', Buffer.from('content'))
      expect(await collectAll(driver.list('/a'))).toEqual([
        { name: 'file', kind: 'file' },
        { name: 'folder', kind: 'folder' },
      ])
      expect(await collectAll(driver.list('/'))).toEqual([{ name: 'a', kind: 'folder' }])
    })

    it('names come in byte order, files and folders among each other', async () => {
      const { driver } = current()
      await putNames(driver, ORDERED.toReversed())
      expect(await namesIn(driver, '/a')).toEqual(ORDERED)
    })

    it.each(['-a', 'a', 'a-', '5', 'zz', 'A0', 'b', ' '])(
      'only names behind %j are listed',
      async (after) => {
        const { driver } = current()
        await putNames(driver, ORDERED)
        expect(await namesIn(driver, '/a', after)).toEqual(ORDERED.filter((name) => name > after))
      },
    )

    it(`${manyChildren} children come in order, once each`, async () => {
      const { driver } = current()
      const names = Array.from({ length: manyChildren }, (_, index) => `n${(index * 7919) % manyChildren}`)
      for (let start = 0; start < names.length; start += 500) {
        const some = names.slice(start, start + 500)
        await Promise.all(
          some.map((name) => driver.put(`/many/${name}`, Buffer.alloc(0), { durable: false })),
        )
      }
      const sorted = names.toSorted()
      expect(await namesIn(driver, '/many')).toEqual(sorted)
      expect(await namesIn(driver, '/many', sorted.at(-3))).toEqual(sorted.slice(-2))
    }, 120_000) // so many requests take an emulator of a store long

    it('a listing can be ended early', async () => {
      const { driver } = current()
      await putNames(driver, ORDERED)
      for await (const { name } of driver.list('/a')) {
        expect(name).toBe(ORDERED[0])
        break
      }
    })

    it('names that end in .tmp are names like others', async () => {
      const { driver } = current()
      await driver.put('/a/x.tmp/file', Buffer.from('content'))
      await driver.put('/a/y.tmp', Buffer.from('content'))
      expect(await namesIn(driver, '/a')).toEqual(['x.tmp', 'y.tmp'])
    })

    it('every child of a folder can be deleted while it is listed', async () => {
      const { driver } = current()
      await putNames(driver, ORDERED)
      for await (const { name } of driver.list('/a')) await driver.delete(`/a/${name}`)
      expect(await filledNamesIn(driver, '/a')).toEqual([])
      await expectStorageError(driver.stat('/a/a'), 'PATH_NOT_FOUND')
    })
  })
}

/** Every second one a file, the others folders. */
async function putNames(driver: StorageDriver, names: string[]): Promise<void> {
  const put = (name: string, index: number) =>
    driver.put(index % 2 === 0 ? `/a/${name}` : `/a/${name}/file`, Buffer.from(name), { durable: false })
  await Promise.all(names.map(put))
}
