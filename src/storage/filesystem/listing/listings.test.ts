import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../../test/support/temporary-folder.ts'
import { QuickCalls, type QuickCallsMode } from '../calls/quick-calls.ts'
import { entriesAfter, indexAfter } from './listing.ts'
import { Listings } from './listings.ts'

/** Longer than the time for which a changed folder is not cached. */
const SETTLED_MS = 2_100

/** Of a folder that shares its listing with no other. */
const LONG_NAME = 'x'.repeat(100)

/** For a shared machine. */
const PATIENCE = { timeout: 60_000, interval: 5 }

describe.each<QuickCallsMode>(['auto', 'never'])('listings of folders, quick calls: %s', (mode) => {
  let root: TemporaryFolder
  let folder: string
  let quick: QuickCalls
  let listings: Listings

  beforeEach(async () => {
    root = await temporaryFolder()
    folder = join(root.path, 'folder')
    await mkdir(folder)
    for (const name of ['b', 'a', 'c']) await writeFile(join(folder, name), '')
    quick = new QuickCalls(root.path, mode)
    listings = new Listings(quick, async () => 'file')
    if (mode === 'auto') await vi.waitUntil(() => quick.isLocal, PATIENCE)
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await root.remove()
  })

  async function names(): Promise<string[]> {
    const listing = await listings.get(folder)
    return Array.from({ length: listing?.length ?? 0 }, (_, index) => listing?.entryAt(index).name ?? '')
  }

  /** Waits until the file system's clock has passed the last change, and sets ours late enough for the
   *  listing to be cached. */
  async function settle(): Promise<void> {
    const probe = join(root.path, 'probe')
    await vi.waitUntil(async () => {
      await writeFile(probe, '')
      return (await stat(probe)).ctimeMs > (await stat(folder)).ctimeMs
    }, PATIENCE)
    const now = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => now() + SETTLED_MS)
  }

  it.skipIf(mode === 'never')('are kept while the folder is the same', async () => {
    await writeFile(join(folder, LONG_NAME), '')
    await settle()
    const first = await listings.get(folder)
    expect(await listings.get(folder)).toBe(first)
  })

  it('can be peeked into where calls are quick, as the folder is at that moment', async () => {
    const peeked = () => {
      const listing = listings.peek(folder)
      return listing && [...entriesAfter(listing, 'a')].map(({ name }) => name)
    }
    if (mode === 'never') return expect(peeked()).toBeUndefined()
    await expect.poll(peeked, PATIENCE).toEqual(['b', 'c'])
    await writeFile(join(folder, 'd'), '')
    await expect.poll(peeked, PATIENCE).toEqual(['b', 'c', 'd'])
    await symlink('a', join(folder, 'link'))
    expect(peeked()).toBeUndefined()
  })

  it('are read again after a folder has just changed', async () => {
    await writeFile(join(folder, LONG_NAME), '')
    const first = await listings.get(folder)
    expect(await listings.get(folder)).not.toBe(first)
  })

  it.each<[string, () => Promise<unknown>, string[]]>([
    ['a file is made', () => writeFile(join(folder, 'd'), ''), ['a', 'b', 'c', 'd']],
    ['a file is removed', () => rm(join(folder, 'a')), ['b', 'c']],
    ['a file is renamed', () => rename(join(folder, 'a'), join(folder, 'z')), ['b', 'c', 'z']],
    [
      'another process makes a folder',
      async () => execFileSync('mkdir', [join(folder, 'x')]),
      ['a', 'b', 'c', 'x'],
    ],
    [
      'another folder takes its place',
      async () => {
        await mkdir(join(root.path, 'other'))
        await rm(folder, { recursive: true })
        await rename(join(root.path, 'other'), folder)
      },
      [],
    ],
    [
      'a copy sets its time back',
      async () => {
        const past = new Date('2020-01-01')
        await writeFile(join(folder, 'd'), '')
        await utimes(folder, past, past)
      },
      ['a', 'b', 'c', 'd'],
    ],
  ])('show it at once when %s', async (_, change, expected) => {
    await settle()
    expect(await names()).toEqual(['a', 'b', 'c'])
    expect(await names()).toEqual(['a', 'b', 'c'])
    await change()
    expect(await names()).toEqual(expected)
  })

  it('with links are not kept, since what they lead to can change elsewhere', async () => {
    await symlink('nowhere', join(folder, 'link'))
    await settle()
    const first = await listings.get(folder)
    expect(first?.length).toBe(4)
    expect(await listings.get(folder)).not.toBe(first)
  })

  it('find each name and what comes behind any text', async () => {
    const many = Array.from({ length: 500 }, (_, index) => `n${(index * 7919) % 500}`)
    await Promise.all(many.map((name) => mkdir(join(folder, name))))
    const listing = await listings.get(folder)
    const sorted = (await readdir(folder)).toSorted()
    for (const after of ['', 'a', 'n', 'n25', 'n250', 'zz', ' ', sorted.at(-1) ?? '']) {
      const index = listing === undefined ? 0 : indexAfter(listing, after)
      const found = index < sorted.length ? listing?.entryAt(index).name : undefined
      expect(found).toBe(sorted.find((name) => name > after))
    }
  })

  it('of no folder are an error of the system', async () => {
    for (const name of ['absent', 'a']) {
      const listing = async () => listings.get(join(folder, name))
      await expect(listing()).rejects.toMatchObject({ code: expect.stringMatching(/^ENO(ENT|TDIR)$/) })
    }
  })
})
