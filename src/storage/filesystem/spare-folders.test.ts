/** The folder of a finished upload becomes that of the next one. */
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'

const UPLOADS = '/repositories/a/_uploads'
const asNew = { durable: false, isNew: true }
const finished = { durable: false, knownChildren: ['startedat', 'data', 'owner'] }

describe.each(['auto', 'never'] as const)('quick calls: %s', (quickCalls) => {
  let root: TemporaryFolder
  let driver: FilesystemDriver
  beforeEach(async () => {
    root = await temporaryFolder()
    driver = await FilesystemDriver.open({ root: root.path, quickCalls })
  })
  afterEach(() => root.remove())

  const begin = (id: string, content = id) =>
    driver.put(`${UPLOADS}/${id}/startedat`, Buffer.from(content), asNew)
  const finish = (id: string) => driver.delete(`${UPLOADS}/${id}`, finished)
  const spares = async () => (await readdir(root.path)).filter((name) => name.startsWith('~removed.'))
  const inodeOf = async (id: string) => (await stat(`${root.path}${UPLOADS}/${id}`)).ino

  it('the next upload has the folder, its own content, and nothing else', async () => {
    await begin('one', 'a long time ago')
    await driver.put(`${UPLOADS}/one/owner`, Buffer.from('owner'), { durable: false })
    const inode = await inodeOf('one')
    await finish('one')
    expect(await readdir(root.path + UPLOADS)).toEqual([])
    await begin('two', 'now')
    expect(await inodeOf('two')).toBe(inode)
    expect(await readdir(root.path + UPLOADS, { recursive: true })).toEqual(['two', 'two/startedat'])
    expect(String(await driver.get(`${UPLOADS}/two/startedat`))).toBe('now')
    expect(await spares()).toEqual([])
  })

  it('a folder with anything else in it is not used again', async () => {
    for (const other of ['unknown', 'data.0123456789abcdef.part', 'folder/file']) {
      await begin('one')
      await driver.put(`${UPLOADS}/one/${other}`, Buffer.from('other'))
      await finish('one')
      expect(await spares()).toEqual([])
    }
    expect(await readdir(root.path + UPLOADS)).toEqual([])
  })

  it('few are kept', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => `upload-${index}`)
    await Promise.all(ids.map((id) => begin(id)))
    await Promise.all(ids.map((id) => finish(id)))
    expect((await spares()).length).toBe(8)
    await Promise.all(ids.map((id) => begin(id)))
    expect(await spares()).toEqual([])
    for (const id of ids) expect(String(await driver.get(`${UPLOADS}/${id}/startedat`))).toBe(id)
  })

  it('another process may remove them, with or without their files', async () => {
    for (const path of ['', '/startedat']) {
      await begin('one')
      await finish('one')
      const [spare] = await spares()
      await rm(`${root.path}/${spare}${path}`, { recursive: true })
      await begin('two')
      expect(String(await driver.get(`${UPLOADS}/two/startedat`))).toBe('two')
      await finish('two')
      await begin('three')
      await driver.delete(`${UPLOADS}/three`)
    }
  })

  it('an upload in a repository without any begins, and the folder is kept for others', async () => {
    await begin('one')
    const inode = await inodeOf('one')
    await finish('one')
    await driver.put('/repositories/b/_uploads/two/startedat', Buffer.from('two'), asNew)
    expect(String(await driver.get('/repositories/b/_uploads/two/startedat'))).toBe('two')
    await begin('three')
    expect(await inodeOf('three')).toBe(inode)
  })

  it('a process that ends leaves none', async () => {
    await begin('one')
    await begin('two')
    await finish('one')
    await finish('two')
    expect((await spares()).length).toBe(2)
    await driver.close()
    expect(await spares()).toEqual([])
  })

  it('those of a process that has ended are found by another', async () => {
    await begin('one')
    await finish('one')
    await writeFile(`${root.path}/${(await spares())[0]}/other`, 'other')
    const other = await FilesystemDriver.open({ root: root.path, quickCalls })
    const found: string[] = []
    for await (const { path, remove } of other.incompleteUploads()) {
      found.push(path)
      await remove()
    }
    expect(found).toEqual([expect.stringMatching(/^\/~removed\./)])
    expect(await spares()).toEqual([])
    await begin('two')
    expect(String(await driver.get(`${UPLOADS}/two/startedat`))).toBe('two')
  })
})
