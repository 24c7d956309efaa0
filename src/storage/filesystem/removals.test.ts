/** A folder is removed with all that is in it, whatever the caller knows of it. */
import { mkdir, readdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'

it.each([
  ['the file that is known', ['known']],
  ['others too', ['known', 'other', 'folder/file', 'part.0123456789abcdef.part']],
  ['others alone', ['other']],
  ['nothing', []],
])('of a folder that has %s', async (_, files) => {
  await using root = await temporaryFolder()
  const driver = await FilesystemDriver.open({ root: root.path })
  await driver.put('/beside/known', Buffer.from('beside'))
  await mkdir(`${root.path}/folder`)
  for (const file of files) await driver.put(`/folder/${file}`, Buffer.from(file))
  await driver.delete('/folder', { durable: false, knownChildren: ['known', 'never'] })
  const visible = async () =>
    (await readdir(root.path, { recursive: true })).filter((name) => !name.startsWith('~removed.'))
  expect(await visible()).toEqual(['beside', 'beside/known'])
  await driver.delete('/folder', { durable: false, knownChildren: ['known', 'never'] })
  expect(await visible()).toEqual(['beside', 'beside/known'])
})
