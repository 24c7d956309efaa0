import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect, expectStorageError, namesIn } from '../../test/contract/storage-driver/support.ts'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeFolders } from '../../test/contract/storage-driver-folders.ts'
import { describeGrowing } from '../../test/contract/storage-driver-growing.ts'
import { type TemporaryFolder, temporaryFolder } from '../../test/support/temporary-folder.ts'
import { FilesystemDriver } from './filesystem.ts'

const UUID = '0f8fad5b-d9cb-469f-a165-70867728950e'
const MIB = 1024 * 1024

async function open() {
  const folder = await temporaryFolder()
  const root = `${folder.path}/root`
  const driver = new FilesystemDriver({ root })
  const close = async () => {
    await driver.close()
    await folder.remove()
  }
  return { driver, another: async () => new FilesystemDriver({ root }), close }
}

// Names of appended files have 22 more characters.
describeStorageDriver('filesystem', open, { maxNameBytes: 233 })
describeFolders('filesystem', open)
describeGrowing('filesystem', open)

describe('the filesystem driver', () => {
  let folder: TemporaryFolder
  let driver: FilesystemDriver
  beforeEach(async () => {
    folder = await temporaryFolder()
    driver = new FilesystemDriver({ root: folder.path })
  })
  afterEach(() => folder.remove())

  /** The files below the driver's root that this process has open. */
  async function openFiles(): Promise<string[]> {
    const links = (await readdir('/proc/self/fd')).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => ''),
    )
    return (await Promise.all(links)).filter((target) => target.startsWith(folder.path))
  }

  it('keeps a file at its path below the root, as it is', async () => {
    await driver.put('/docker/registry/v2/blobs/data', Buffer.from('content'))
    expect(await readFile(`${folder.path}/docker/registry/v2/blobs/data`, 'utf8')).toBe('content')
  })

  it('files that a put left when the machine stopped are not listed, whoever wrote them', async () => {
    await driver.put('/a/link', Buffer.from('content'))
    await writeFile(`${folder.path}/a/link.${UUID}.tmp`, 'part of the con')
    expect(await namesIn(driver, '/a')).toEqual(['link'])
  })

  it('a folder of such a name is listed: a repository may be called like that', async () => {
    await driver.put(`/a/name.${UUID}.tmp/file`, Buffer.from('content'))
    expect(await namesIn(driver, '/a')).toEqual([`name.${UUID}.tmp`])
  })

  it('what no path can name is not listed', async () => {
    await driver.put('/a/file', Buffer.from('content'))
    await writeFile(`${folder.path}/a/with space`, '')
    await mkdir(`${folder.path}/lost+found`)
    expect(await namesIn(driver, '/a')).toEqual(['file'])
    expect(await namesIn(driver, '/')).toEqual(['a'])
  })

  it('a link to a folder above is not listed, by whatever links one came there', async () => {
    await driver.put('/a/b/file', Buffer.from('content'))
    await driver.put('/other/file', Buffer.from('content'))
    await symlink('..', `${folder.path}/a/b/parent`)
    await symlink(`${folder.path}/a`, `${folder.path}/a/b/top`)
    await symlink(`${folder.path}/a/b`, `${folder.path}/other/across`)
    await symlink(`${folder.path}/other`, `${folder.path}/a/b/other`)
    expect(await namesIn(driver, '/a/b')).toEqual(['file', 'other'])
    expect(await namesIn(driver, '/a/b/other')).toEqual(['file'])
    expect(await namesIn(driver, '/other/across')).toEqual(['file'])
  })

  it('a finished file is taken over by renaming it, and other bytes can follow', async () => {
    const taken = `${folder.path}/~spool.1`
    await writeFile(taken, 'finished')
    const { ino } = await stat(taken)
    const writer = await driver.append('/uploads/data', { offset: 0, takes: taken })
    expect(writer.size).toBe(8)
    await writer.write(Buffer.from(' and more'))
    await writer.sync()
    await writer.close()
    expect((await driver.get('/uploads/data')).toString()).toBe('finished and more')
    await driver.move('/uploads/data', '/blob', { version: writer.version })
    expect((await stat(`${folder.path}/blob`)).ino).toBe(ino)
    expect(await readdir(folder.path)).not.toContain('~spool.1')
  })

  it('a file of another file system is not taken over, and stays', async ({ skip }) => {
    await using other = await temporaryFolder({ inMemory: true })
    if ((await stat(other.path)).dev === (await stat(folder.path)).dev)
      return skip('there is one file system')
    await writeFile(`${other.path}/finished`, 'finished')
    const writer = await driver.append('/uploads/data', { offset: 0, takes: `${other.path}/finished` })
    expect(writer.size).toBe(0)
    await writer.close()
    expect(await readFile(`${other.path}/finished`, 'utf8')).toBe('finished')
  })

  it('a file that stands already is not replaced by one that is taken over', async () => {
    await driver.put('/uploads/data', Buffer.from('standing'))
    await writeFile(`${folder.path}/~spool.1`, 'finished')
    const writer = await driver.append('/uploads/data', { offset: 0, takes: `${folder.path}/~spool.1` })
    await expectStorageError(writer.sync(), 'OFFSET_INVALID')
    await writer.close().catch(() => undefined)
    expect((await driver.get('/uploads/data')).toString()).toBe('standing')
  })

  it('spool files of processes that have ended are found as incomplete', async () => {
    await writeFile(`${folder.path}/~spool.${UUID}`, 'content')
    const paths = []
    for await (const { path } of driver.incompleteUploads()) paths.push(path)
    expect(paths).toEqual([`/~spool.${UUID}`])
  })

  it('a folder that was set aside and not removed is found as incomplete', async () => {
    await driver.put('/a/file', Buffer.from('content'))
    await mkdir(`${folder.path}/~removed.${UUID}/folder`, { recursive: true })
    await writeFile(`${folder.path}/~removed.${UUID}/folder/file`, 'content')
    const incompleteUploads = []
    for await (const incomplete of driver.incompleteUploads()) incompleteUploads.push(incomplete)
    expect(incompleteUploads.map(({ path }) => path)).toEqual([`/~removed.${UUID}`])
    for (const incomplete of incompleteUploads) await incomplete.remove()
    expect(await readdir(folder.path)).toEqual(['a'])
  })

  it('symbolic links count as what they lead to; where that is nothing they are not listed', async () => {
    await driver.put('/real/file', Buffer.from('content'))
    await symlink(`${folder.path}/real`, `${folder.path}/linked`)
    await symlink(`${folder.path}/real/file`, `${folder.path}/linked-file`)
    await symlink(`${folder.path}/absent`, `${folder.path}/broken`)
    const entries = []
    for await (const entry of driver.list('/')) entries.push(entry)
    expect(entries).toEqual([
      { name: 'linked', kind: 'folder' },
      { name: 'linked-file', kind: 'file' },
      { name: 'real', kind: 'folder' },
    ])
    expect(Buffer.from(await driver.get('/linked/file')).toString()).toBe('content')
  })

  it('the memory of a chunk is given back once it is written, but not that of a larger buffer', async () => {
    const whole = Buffer.alloc(100_000, 'w')
    const parts = Buffer.alloc(100_000, 'p')
    const writer = await driver.append('/a/file')
    for (const chunk of [whole, parts.subarray(0, 40_000), parts.subarray(40_000)]) await writer.write(chunk)
    await writer.close()
    expect([whole.length, parts.length]).toEqual([0, 100_000])
    expect(parts.toString()).toBe('p'.repeat(100_000))
    const content = Buffer.from(await driver.get('/a/file')).toString()
    expect(content).toBe('w'.repeat(100_000) + 'p'.repeat(100_000))
  })

  it('a put that fails leaves no temporary file', async () => {
    await driver.put('/a/folder/file', Buffer.from('content'))
    await expectStorageError(driver.put('/a/folder', Buffer.from('x')), 'PATH_INVALID')
    expect(await readdir(`${folder.path}/a`)).toEqual(['folder'])
  })

  it('a folder that had to be moved aside to be removed leaves nothing behind', async () => {
    for (let round = 0; round < 20; round++) {
      const puts = Array.from({ length: 8 }, (_, index) =>
        driver.put(`/a/b/${index}/file`, Buffer.from('content'), { durable: false }),
      )
      await Promise.all([...puts, driver.delete('/a'), driver.delete('/a/b')])
    }
    await driver.delete('/a')
    expect(await readdir(folder.path)).toEqual([])
  })

  it('a name that the file system finds too long is refused', async () => {
    const path = `/a/${'n'.repeat(256)}`
    await expectStorageError(driver.put(path, Buffer.from('x')), 'PATH_INVALID')
    await expectStorageError(driver.append(path), 'PATH_INVALID')
    await expectStorageError(driver.get(path), 'PATH_INVALID')
    expect(await readdir(`${folder.path}/a`)).toEqual([])
  })

  it('a file of another kind is not taken for content', async () => {
    await expectStorageError(new FilesystemDriver({ root: '/' }).get('/dev/null'), 'PATH_NOT_FOUND')
    await expectStorageError(new FilesystemDriver({ root: '/' }).stat('/dev/null'), 'PATH_NOT_FOUND')
  })

  describe('holds no file open', () => {
    const ENDS: [string, (path: string) => Promise<unknown>][] = [
      ['read whole', (path) => collect(driver.read(path))],
      ['left at the first chunk', (path) => leaveAtFirstChunk(driver.read(path))],
      ['returned from while a step is under way', (path) => leaveDuringStep(driver.read(path))],
      ['never begun', (path) => Promise.resolve(driver.read(path)[Symbol.asyncIterator]().return?.())],
      ['cancelled', (path) => cancelAtFirstChunk((signal) => driver.read(path, { signal }))],
      ['asked for too much', (path) => collect(driver.read(path, { range: { start: 0, end: 9 * MIB } }))],
      ['a folder', () => collect(driver.read('/a'))],
      ['got', (path) => driver.get(path)],
      ['appended to at the wrong place', (path) => driver.append(path, { offset: 1 })],
      ['appended to', async (path) => (await driver.append(path)).close()],
    ]

    it.each(ENDS)('after it was %s', async (_how, use) => {
      await driver.put('/a/file', Buffer.alloc(3 * MIB), { durable: false })
      await use('/a/file').catch(() => undefined)
      expect(await openFiles()).toEqual([])
    })
  })
})

describe('a filesystem driver is opened', () => {
  it('in a folder that is not there yet', async () => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: `${folder.path}/some/where` })
    expect(await readdir(`${folder.path}/some/where`)).toEqual([])
    await driver.put('/file', Buffer.from('content'))
    expect(await readdir(`${folder.path}/some/where`)).toEqual(['file'])
  })

  it('and says which folder and why when nothing can be written there', async () => {
    await using folder = await temporaryFolder()
    await writeFile(`${folder.path}/file`, 'in the way')
    const error = await expectStorageError(
      FilesystemDriver.open({ root: `${folder.path}/file` }),
      'PATH_INVALID',
    )
    expect(error.message).toContain(`cannot write to the folder ${folder.path}/file: ENOTDIR`)
    await expectStorageError(FilesystemDriver.open({ root: '/proc/entrepot' }), 'BACKEND_FAILED')
  })
})

async function leaveAtFirstChunk(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of chunks) return
}

async function leaveDuringStep(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const reader = chunks[Symbol.asyncIterator]()
  const step = reader.next()
  await reader.return?.()
  await step
}

async function cancelAtFirstChunk(read: (signal: AbortSignal) => AsyncIterable<Uint8Array>): Promise<void> {
  const cancellation = new AbortController()
  for await (const _chunk of read(cancellation.signal)) cancellation.abort()
}
