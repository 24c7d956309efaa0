import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { makeFolder, updateFile } from './atomic-write.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const at = (name: string) => join(folder.path, name)
const append = (line: string) => (text: string) => `${text}${line}\n`
const isRoot = process.getuid?.() === 0
const ownerOf = async (path: string) => {
  const { uid, gid, mode } = await stat(path)
  return { uid, gid, mode: mode & 0o7777 }
}

test('every one of many changes is there, each made to what the one before left', async () => {
  const lines = Array.from({ length: 16 }, (_, index) => `line ${index}`)
  await Promise.all(lines.map((line) => updateFile(at('file'), append(line))))
  const written = (await readFile(at('file'), 'utf8')).trim().split('\n')
  expect(written.toSorted()).toEqual(lines.toSorted())
  expect(await readdir(folder.path)).toEqual(['file'])
})

test('a change that cannot be made leaves nothing behind', async () => {
  await writeFile(at('file'), 'before')
  const change = () => {
    throw new Error('no')
  }
  await expect(updateFile(at('file'), change)).rejects.toThrow('no')
  await mkdir(at('folder'))
  await expect(updateFile(at('folder'), append('x'))).rejects.toThrow('EISDIR')
  expect(await readdir(folder.path)).toEqual(['file', 'folder'])
  expect(await readFile(at('file'), 'utf8')).toBe('before')
})

test('a new file is for its owner only, and one that was there keeps its mode', async () => {
  await updateFile(at('new'), append('x'))
  expect((await ownerOf(at('new'))).mode).toBe(0o600)
  await writeFile(at('old'), '')
  await chmod(at('old'), 0o640)
  await updateFile(at('old'), append('x'))
  expect((await ownerOf(at('old'))).mode).toBe(0o640)
})

test('a symbolic link stays, and the file that it leads to is changed, also if it is not there yet', async () => {
  await mkdir(at('data'))
  await symlink('data/users', at('link'))
  await symlink('link', at('link-to-link'))
  for (const line of ['one', 'two']) await updateFile(at('link-to-link'), append(line))
  expect(await readFile(at('data/users'), 'utf8')).toBe('one\ntwo\n')
  expect(await readlink(at('link'))).toBe('data/users')
  expect((await readdir(folder.path)).toSorted()).toEqual(['data', 'link', 'link-to-link'])
})

test.skipIf(!isRoot)(
  'root leaves a file its owner, and gives a new one to the owner of the folder',
  async () => {
    await writeFile(at('old'), '')
    await chown(at('old'), 1234, 2345)
    await chmod(at('old'), 0o640)
    await updateFile(at('old'), append('x'))
    expect(await ownerOf(at('old'))).toEqual({ uid: 1234, gid: 2345, mode: 0o640 })
    await mkdir(at('theirs'))
    await chown(at('theirs'), 3456, 4567)
    await updateFile(at('theirs/new'), append('x'))
    expect(await ownerOf(at('theirs/new'))).toEqual({ uid: 3456, gid: 4567, mode: 0o600 })
  },
)

test.skipIf(!isRoot)('what root makes for a service belongs to the owner of the folder above', async () => {
  await mkdir(at('theirs'))
  await chown(at('theirs'), 3456, 4567)
  await makeFolder(at('theirs/one/two'))
  for (const made of ['theirs/one', 'theirs/one/two'])
    expect(await ownerOf(at(made))).toEqual({ uid: 3456, gid: 4567, mode: 0o700 })
  await makeFolder(at('theirs/one'))
})

test.skipIf(!isRoot)('who cannot leave a file its owner does not change it, and says why', async () => {
  await chmod(folder.path, 0o777)
  await writeFile(at('file'), 'before', { mode: 0o666 })
  const script = `const { updateFile } = await import(process.argv[1])
    await updateFile(process.argv[2], () => 'after').catch((error) => console.log(error.message))`
  const program = new URL('atomic-write.ts', import.meta.url).href
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script, program, at('file')],
    { uid: 65534, gid: 65534, cwd: '/' },
  )
  expect(stdout).toContain(`${at('file')} belongs to another user`)
  expect(await readFile(at('file'), 'utf8')).toBe('before')
  expect(await readdir(folder.path)).toEqual(['file'])
})
