/** Scans of folders that are read ahead, and of those that are not. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'
import { temporaryFor } from './temporary-name.ts'

/** Folders of few files, of few folders of files, deeper ones, and ones with too many entries; names that sort differently with a slash. */
const FILES = [
  'a.b/x',
  'a/leaf/one',
  'a/leaf/two',
  'a0/link',
  'deep/1/2/3/4/file',
  'mixed/file',
  'mixed/leaf/file',
  'mixed/tag/current/link',
  'tag/current/link',
  'tag/index/sha256/link',
  'tag/file.x',
  'tag/file/x',
  ...Array.from({ length: 20 }, (_, index) => `many/${index}/link`),
  ...Array.from({ length: 20 }, (_, index) => `few/of-many/${index}`),
]

it.each(['auto', 'never'] as const)(
  'finds every file in order, with %s synchronous calls',
  async (quickCalls) => {
    await using folder = await temporaryFolder()
    for (const path of FILES) await write(join(folder.path, 'top', path), path)
    for (const path of ['tag/current/link', 'a0/link'])
      await write(temporaryFor(join(folder.path, 'top', path)), 'unfinished')
    await mkdir(join(folder.path, 'top/empty/folder'), { recursive: true })
    const driver = await FilesystemDriver.open({ root: folder.path, quickCalls })
    await driver.swapState('/top/tag/state', Buffer.from('state'), undefined)
    const expected = [...FILES, 'tag/state'].map((path) => `/top/${path}`).sort()
    expect(await paths(driver.scan('/top'))).toEqual(expected)
    const after = expected[10] ?? ''
    expect(await paths(driver.scan('/top', { after }))).toEqual(expected.slice(11))
    const enters = (path: string) => !/index|leaf|of-many/.test(path)
    expect(await paths(driver.scan('/top', { enters }))).toEqual(
      expected.filter((path) => enters(dirname(path))),
    )
  },
)

async function write(file: string, content: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}

async function paths(scan: AsyncIterable<readonly { path: string; size: number }[]>): Promise<string[]> {
  const found: string[] = []
  for await (const page of scan) for (const { path } of page) found.push(path)
  return found
}
