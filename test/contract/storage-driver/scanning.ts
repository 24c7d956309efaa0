import { expect, it } from 'vitest'
import type { ScannedFile, StorageDriver } from '../../../src/core/storage-driver.ts'
import type { DriverUnderTest } from '../storage-driver.ts'
import { distinctBytes, writeFile } from './support.ts'

/** In byte order of paths, in which a folder stands as `name/`. */
const ORDERED = [
  '-x',
  '.x',
  '0/a',
  'A',
  'a-',
  'a-b/c',
  'a.b',
  'a/b',
  'a/c/d',
  'a0',
  'b/-',
  'b/c/d/e/f',
  'c/x',
  'c/y/z',
]
const paths = (names: readonly string[]) => names.map((name) => `/top/${name}`)

async function scanned(driver: StorageDriver, folder: string, after?: string) {
  const files = []
  for await (const page of driver.scan(folder, after === undefined ? {} : { after })) files.push(...page)
  return files
}

async function putAll(driver: StorageDriver, names: readonly string[]): Promise<void> {
  await Promise.all(
    names.toReversed().map((name) => driver.put(`/top/${name}`, Buffer.from(name), { durable: false })),
  )
}

export function describeScanning(current: () => DriverUnderTest): void {
  it('a scan finds every file below a folder, in byte order of the paths', async () => {
    const { driver } = current()
    await putAll(driver, ORDERED)
    await driver.put('/topmost', Buffer.from('x'))
    await driver.put('/to', Buffer.from('x'))
    expect((await scanned(driver, '/top')).map(({ path }) => path)).toEqual(paths(ORDERED))
    expect((await scanned(driver, '/top/a')).map(({ path }) => path)).toEqual(paths(['a/b', 'a/c/d']))
    expect((await scanned(driver, '/')).map(({ path }) => path)).toEqual([
      '/to',
      ...paths(ORDERED),
      '/topmost',
    ])
    expect(await scanned(driver, '/absent')).toEqual([])
  })

  it('a scan finds the file that is needed of each folder, whether or not it lists the folder', async () => {
    const { driver } = current()
    await putAll(driver, ['blobs/a/link', 'blobs/b/link', 'blobs/b/other', 'blobs/c/other', 'blobs/d/link/e'])
    await driver.put('/top/empty/link', new Uint8Array())

    const found: string[] = []
    const leaf = (folder: string) => (/^\/top\/(?:blobs\/.|empty)$/.test(folder) ? 'link' : undefined)
    for await (const page of driver.scan('/top', { leaf })) found.push(...page.map(({ path }) => path))

    expect(found).toEqual([...found].sort())
    expect(found).toEqual(
      expect.arrayContaining(['/top/blobs/a/link', '/top/blobs/b/link', '/top/empty/link']),
    )
    expect(found).not.toContain('/top/blobs/d/link')
  })

  it('a scan asks once for each folder and leaves out those that are not entered, or lists all files', async () => {
    const { driver } = current()
    const names = ['blobs/a/data', 'blobs/b/data', 'blobs/b/more/x', 'blobs/c/data', 'other/y']
    await putAll(driver, names)
    const asked: string[] = []
    const enters = (folder: string) => {
      asked.push(folder)
      return folder !== '/top/blobs/b'
    }
    const leaf = (folder: string) => (/blobs\/.$/.test(folder) ? 'data' : undefined)
    const found: string[] = []
    for await (const page of driver.scan('/top', { enters, leaf }))
      found.push(...page.map(({ path }) => path))

    const entered = names.filter((name) => !name.startsWith('blobs/b/'))
    expect(found).toEqual(paths(driver.scansFolders ? entered : names))
    const folders = ['blobs', 'blobs/a', 'blobs/b', 'blobs/c', 'other']
    expect(asked.toSorted()).toEqual(driver.scansFolders ? paths(folders) : [])
  })

  it('a scan that returns content with a file returns that of this file', async () => {
    const { driver } = current()
    await putAll(driver, ['a/link', 'b/other'])
    await driver.put('/top/empty/link', new Uint8Array())
    await driver.put('/top/large/link', new Uint8Array(100_000))

    const found: ScannedFile[] = []
    const pages = driver.scan('/top', {
      leaf: (folder) => (folder === '/top' ? undefined : 'link'),
      contents: true,
    })
    for await (const page of pages) found.push(...page)

    expect(found.map(({ path }) => path)).toEqual([
      '/top/a/link',
      '/top/b/other',
      '/top/empty/link',
      '/top/large/link',
    ])
    for (const { path, content } of found)
      if (content !== undefined) expect(Buffer.from(content)).toEqual(Buffer.from(await driver.get(path)))
  })

  it('a scan goes on from any point', async () => {
    const { driver } = current()
    await putAll(driver, ORDERED)
    for (const after of paths(
      [...ORDERED, 'a', 'a/', 'b/c/d', 'a/c', '', '0', 'zz'].filter((one) => one !== ''),
    )) {
      const found = (await scanned(driver, '/top', after)).map(({ path }) => path)
      expect([after, found]).toEqual([after, paths(ORDERED).filter((path) => path > after)])
    }
    expect(await scanned(driver, '/top', '/topmost')).toEqual([])
    expect((await scanned(driver, '/top', '/a')).length).toBe(ORDERED.length)
  })

  it('a scan says how large a file is, and when it was written', async () => {
    const { driver } = current()
    const before = Date.now()
    await driver.put('/top/a/small', Buffer.from('12345'))
    await writeFile(driver, '/top/upload', [distinctBytes(200_000)])
    await driver.move('/top/upload', '/top/b')
    const [small, large] = await scanned(driver, '/top')
    expect([small?.path, small?.size, large?.path, large?.size]).toEqual([
      '/top/a/small',
      5,
      '/top/b',
      200_000,
    ])
    // A store counts in seconds, and its clock is this machine's.
    expect(Math.abs((small?.modifiedAt.getTime() ?? 0) - before)).toBeLessThan(60_000)
    const info = await driver.stat('/top/a/small')
    expect(
      info.kind === 'file' && info.modifiedAt.getTime() - (small?.modifiedAt.getTime() ?? 0),
    ).toBeLessThan(1000)
  })

  it('a scan finds a state', async () => {
    const { driver } = current()
    await driver.swapState('/top/a/state', Buffer.from('one'), undefined)
    await driver.put('/top/a/b', Buffer.from('x'))
    expect((await scanned(driver, '/top')).map(({ path }) => path)).toEqual(paths(['a/b', 'a/state']))
  })

  it('a scan of more files than a page has misses none and gives none twice', async () => {
    const { driver } = current()
    const names = Array.from({ length: 1_234 }, (_, index) => `${index % 37}/${index}/data`)
    for (let start = 0; start < names.length; start += 200)
      await putAll(driver, names.slice(start, start + 200))
    const found = (await scanned(driver, '/top')).map(({ path }) => path)
    expect(found).toEqual(paths(names).toSorted())
    expect((await scanned(driver, '/top', found[1_000])).map(({ path }) => path)).toEqual(found.slice(1_001))
  }, 120_000)
}
