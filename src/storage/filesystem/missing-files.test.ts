/** A file that is missing with its folder, as most links that are looked for: synchronous calls find that out. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'
import { partOf } from './part-name.ts'

const LINK = '/repositories/a/sha256/0/link'

test.each(['auto', 'never'] as const)('quick calls: %s', async (quickCalls) => {
  await using folder = await temporaryFolder()
  const [root, away] = [`${folder.path}/root`, `${folder.path}/away`]
  const driver = await FilesystemDriver.open({ root, quickCalls })
  const code = async (path: string) => {
    for (let look = 0; ; look++) {
      const found = await driver.get(path).then(String, ({ code }) => code)
      // Quick calls are made once the kind of the file system is known.
      if (look === 20) return found
    }
  }
  expect(await code(LINK)).toBe('PATH_NOT_FOUND')
  await driver.put('/repositories/a/other', Buffer.from('x'))
  expect(await code(LINK)).toBe('PATH_NOT_FOUND')
  await mkdir(`${root}/repositories/a/sha256/0`, { recursive: true })
  await writeFile(partOf(`${root}${LINK}`, '0123456789abcdef'), 'a part')
  expect(await code(LINK)).toBe('a part')
  await rename(root, away)
  expect(await code('/repositories/b/link')).toBe('BUSY')
  await mkdir(root)
  expect(await code('/repositories/b/link')).toBe('BUSY')
})
