import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { orderedChildren } from './ordered-children.ts'

describe('the children of a folder of the system', () => {
  let folder: TemporaryFolder
  const names = Array.from({ length: 1_000 }, (_, index) => `n${(index * 7919) % 1_000}`)
  const sorted = names.toSorted()

  beforeEach(async () => {
    folder = await temporaryFolder()
    await Promise.all(names.map((name) => writeFile(join(folder.path, name), '')))
  })
  afterEach(() => folder.remove())

  async function namesOf(children: AsyncIterable<{ name: string }>): Promise<string[]> {
    const found: string[] = []
    for await (const { name } of children) found.push(name)
    return found
  }

  it.each([1, 7, 100, 499, 500, 999, 1_000, 1_001])(
    'come in order, once each, by %s at a time',
    async (most) => {
      const list = (after: string) =>
        namesOf(orderedChildren(folder.path, { after, isWanted: () => true, most }))
      expect(await list('')).toEqual(sorted)
      expect(await list(sorted[500]!)).toEqual(sorted.slice(501))
      expect(await list('z')).toEqual([])
    },
  )

  it('are never held all: a folder of more is read again', async () => {
    const most = 10
    const isWanted = vi.fn(() => true)
    const children = orderedChildren(folder.path, { after: '', isWanted, most })
    const iterator = children[Symbol.asyncIterator]()
    for (let taken = 0; taken < most; taken++) await iterator.next()
    // Entries behind the ones held are skipped.
    expect(isWanted.mock.calls.length).toBeLessThan(names.length / 2)
    for (const name of sorted.slice(most)) await rm(join(folder.path, name))
    await writeFile(join(folder.path, 'nz'), '')
    const { value } = await iterator.next()
    expect(value.name).toBe('nz')
    expect(await iterator.next()).toMatchObject({ done: true })
  })

  it('are held up to a number even where most of them are not wanted yet', async () => {
    const wanted = (name: string) => name.endsWith('7')
    const list = await namesOf(orderedChildren(folder.path, { after: '', isWanted: wanted, most: 3 }))
    expect(list).toEqual(sorted.filter(wanted))
  })

  it.each(['absent', 'n1'])('of what is no folder are an error of the system: %s', async (name) => {
    const options = { after: '', isWanted: () => true }
    await expect(namesOf(orderedChildren(join(folder.path, name), options))).rejects.toMatchObject({
      code: expect.stringMatching(/^ENO(ENT|TDIR)$/),
    })
  })
})
