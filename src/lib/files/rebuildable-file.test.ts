import { readdir, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { rebuildableFile, removeUnusedBeside } from './rebuildable-file.ts'

const OLD = new Date(Date.now() - 31 * 24 * 3600_000)

test('files that nobody has used for a month are removed, but never the own one', async () => {
  await using parent = await temporaryFolder()
  const wanted = { folder: 'index', name: 'own.sqlite', parent: parent.path }
  const own = await rebuildableFile(wanted)
  const folder = dirname(own)
  for (const name of ['own.sqlite', 'old.sqlite', 'old.sqlite-wal', 'written.sqlite', 'note.txt']) {
    await writeFile(join(folder, name), 'x')
    await utimes(join(folder, name), OLD, OLD)
  }
  await writeFile(join(folder, 'written.sqlite-wal'), 'x')
  await writeFile(join(folder, 'new.sqlite'), 'x')
  expect(await rebuildableFile(wanted)).toBe(own)
  await removeUnusedBeside(own, ['-wal', '-shm'])
  const kept = [basename(own), 'new.sqlite', 'note.txt', 'written.sqlite', 'written.sqlite-wal']
  expect((await readdir(folder)).sort()).toEqual(kept.sort())
})

test('a file counts as used once a process has asked for it', async () => {
  await using parent = await temporaryFolder()
  const ask = (name: string) => rebuildableFile({ folder: 'index', name, parent: parent.path })
  const own = await ask('own.sqlite')
  await writeFile(own, 'x')
  await utimes(own, OLD, OLD)
  await ask('own.sqlite')
  await removeUnusedBeside(await ask('other.sqlite'), [])
  expect(await readdir(dirname(own))).toEqual(['own.sqlite'])
})
