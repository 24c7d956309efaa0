import fc from 'fast-check'
import { expect, test } from 'vitest'
import { collectAll } from '../../../test/contract/storage-driver/support.ts'
import { type KeyPage, orderedEntries } from './children.ts'

const name = fc
  .string({ unit: fc.constantFrom('-', '.', '0', 'A', 'a'), minLength: 1, maxLength: 6 })
  .filter((text) => text !== '.' && text !== '..')

test('whatever the names are, they come in their own order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ name, isFolder: fc.boolean() }), { selector: (child) => child.name }),
      fc.integer({ min: 1, max: 4 }),
      fc.option(name, { nil: '' }),
      async (children, pageSize, after) => {
        const keys = children.map((child) => (child.isFolder ? `${child.name}/` : child.name)).toSorted()
        const listed = await collectAll(orderedEntries(pagesOf(keys, pageSize), { after, isFolder: never }))
        const names = children.map((child) => child.name).filter((one) => one > after)
        expect(listed.map((entry) => entry.name)).toEqual(names.toSorted())
      },
    ),
  )
})

test('names that no path can have are left out', async () => {
  const keys = ['', '.', '..', 'a~parts', 'a', 'b c', 'b', '~probe']
  expect(await namesOf(keys.toSorted(), never)).toEqual(['a', 'b'])
})

test('a folder that comes late is asked for when too many wait for it', async () => {
  const waiting = Array.from({ length: 12_000 }, (_, index) => `1-${String(index).padStart(5, '0')}`)
  const asked: string[] = []
  const isFolder = async (folder: string) => {
    asked.push(folder)
    return folder === '1'
  }
  expect(await namesOf([...waiting, '1/'], isFolder)).toEqual(['1', ...waiting])
  expect(asked).toEqual(['1'])
})

test('a folder that is not there is asked for once', async () => {
  const waiting = Array.from({ length: 12_000 }, (_, index) => `1.${String(index).padStart(5, '0')}/`)
  const asked: string[] = []
  const isFolder = async (folder: string) => {
    asked.push(folder)
    return false
  }
  expect(await namesOf(waiting, isFolder)).toHaveLength(12_000)
  expect(asked).toEqual(['1'])
})

test('no further page is asked for before its names are', async () => {
  let pages = 0
  const endless = async function* (): AsyncIterable<KeyPage> {
    for (;;) yield { keys: [`n${String(pages++).padStart(6, '0')}`] }
  }
  for await (const entry of orderedEntries(endless(), { after: '', isFolder: never })) {
    if (entry.name === 'n000004') break
  }
  expect(pages).toBe(5)
})

async function never(): Promise<boolean> {
  return false
}

async function* pagesOf(keys: readonly string[], size = 1_000): AsyncIterable<KeyPage> {
  for (let start = 0; start < keys.length; start += size) yield { keys: keys.slice(start, start + size) }
}

async function namesOf(
  keys: readonly string[],
  isFolder: (folder: string) => Promise<boolean>,
): Promise<string[]> {
  return (await collectAll(orderedEntries(pagesOf(keys), { after: '', isFolder }))).map((entry) => entry.name)
}
