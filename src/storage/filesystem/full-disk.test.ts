import { execFileSync } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { collect, expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { passOnMemory } from '../../lib/free-memory.ts'
import { Ingest } from '../../lib/ingest/ingest.ts'
import { SLAB_BYTES } from '../../lib/shared-memory/slab.ts'
import { FilesystemDriver } from '../filesystem.ts'

const KIB = 1024
const DISK_BYTES = 1024 * KIB

/** A real file system, because its behaviour when full is tested. */
function mountDisk(folder: string, diskBytes = DISK_BYTES): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},nr_inodes=64`, 'tmpfs', folder], {
    stdio: 'ignore',
  })
}

function unmountDisk(folder: string): void {
  execFileSync('umount', [folder], { stdio: 'ignore' })
}

async function canMount(): Promise<boolean> {
  await using folder = await temporaryFolder()
  try {
    mountDisk(folder.path)
  } catch {
    return false
  }
  unmountDisk(folder.path)
  return true
}

const mounts = await canMount()
const reason = mounts ? '' : ' (skipped: this user cannot mount a tmpfs)'

describe.skipIf(!mounts)(`on a full disk${reason}`, () => {
  let folder: TemporaryFolder
  let driver: FilesystemDriver
  beforeEach(async () => {
    folder = await temporaryFolder()
    mountDisk(folder.path)
    driver = new FilesystemDriver({ root: folder.path })
  })
  afterEach(async () => {
    unmountDisk(folder.path)
    await folder.remove()
  })

  it('a put fails, leaves no part, and what stood there stays', async () => {
    await driver.put('/a/file', Buffer.from('content'))
    await expectStorageError(driver.put('/a/file', Buffer.alloc(2 * DISK_BYTES)), 'NO_SPACE')
    await expectStorageError(
      driver.put('/a/other', Buffer.alloc(2 * DISK_BYTES), { durable: false }),
      'NO_SPACE',
    )
    const isNew = { durable: false, isNew: true }
    await expectStorageError(driver.put('/a/new', Buffer.alloc(2 * DISK_BYTES), isNew), 'NO_SPACE')
    expect(await readdir(`${folder.path}/a`)).toEqual(['file'])
    expect(Buffer.from(await driver.get('/a/file')).toString()).toBe('content')
    await driver.put('/a/file', Buffer.alloc(900 * KIB))
  })

  it('an append fails at a later call and frees what it took; what was there before stays', async () => {
    const before = Buffer.alloc(100 * KIB, 'b')
    await driver.put('/a/file', before)
    const writer = await driver.append('/a/file', { offset: before.length })
    await expectStorageError(
      writeUntilRefused(() => writer.write(Buffer.alloc(64 * KIB, 'n'))),
      'NO_SPACE',
    )
    await expectStorageError(writer.sync(), 'NO_SPACE')
    await expectStorageError(writer.close(), 'NO_SPACE')
    expect(writer.size).toBe(before.length)
    expect((await collect(driver.read('/a/file'))).equals(before)).toBe(true)
    await driver.put('/a/other', Buffer.alloc(800 * KIB))
  })

  it('so does one whose bytes a thread writes', async () => {
    const ingest = new Ingest(() => {})
    try {
      const threaded = new FilesystemDriver({ root: folder.path, ingest })
      const before = Buffer.alloc(100 * KIB, 'b')
      await threaded.put('/a/file', before)
      const writer = await threaded.append('/a/file', { offset: before.length })
      const chunk = () => {
        const slab = ingest.memory.take()
        if (slab === undefined) return Buffer.alloc(SLAB_BYTES)
        const part = slab.memory.subarray()
        passOnMemory(part)
        slab.release()
        return part
      }
      await expectStorageError(
        writeUntilRefused(() => writer.write(chunk())),
        'NO_SPACE',
      )
      await expectStorageError(writer.sync(), 'NO_SPACE')
      await expectStorageError(writer.close(), 'NO_SPACE')
      expect(writer.size).toBe(before.length)
      expect((await collect(threaded.read('/a/file'))).equals(before)).toBe(true)
      await threaded.put('/a/other', Buffer.alloc(800 * KIB))
    } finally {
      await ingest.close()
    }
  })

  it('what the same writer has synced stays', async () => {
    const writer = await driver.append('/a/file')
    const safe = Buffer.alloc(200 * KIB, 's')
    await writer.write(Buffer.from(safe)) // the writer owns what it is given
    await writer.sync()
    await expectStorageError(
      writeUntilRefused(() => writer.write(Buffer.alloc(64 * KIB, 'n'))),
      'NO_SPACE',
    )
    await expectStorageError(writer.close(), 'NO_SPACE')
    expect((await collect(driver.read('/a/file'))).equals(safe)).toBe(true)
  })

  it('a chunk that only half fits is not left half written', async () => {
    const writer = await driver.append('/file')
    void writer.write(Buffer.alloc(DISK_BYTES + 5))?.catch(() => undefined)
    await expectStorageError(writer.sync(), 'NO_SPACE')
    await expectStorageError(writer.close(), 'NO_SPACE')
    expect(await driver.stat('/file')).toMatchObject({ size: 0 })
  })

  it('a writer that failed and is closed leaves the file to others', async () => {
    const broken = await driver.append('/file')
    await expectStorageError(
      writeUntilRefused(() => broken.write(Buffer.alloc(64 * KIB))),
      'NO_SPACE',
    )
    await expectStorageError(broken.close(), 'NO_SPACE')
    const next = await driver.append('/file', { offset: 0 })
    await next.write(Buffer.from('content'))
    await expectStorageError(broken.sync(), 'NO_SPACE')
    await expectStorageError(broken.close(), 'NO_SPACE')
    await expectStorageError(Promise.resolve(broken.write(Buffer.from('late'))), 'NO_SPACE')
    await next.sync()
    await next.close()
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
  })

  it('a long append, of which the disk has begun to take its part, is taken back as a whole', async () => {
    await using larger = await temporaryFolder()
    mountDisk(larger.path, 24 * DISK_BYTES)
    try {
      const onLarger = new FilesystemDriver({ root: larger.path })
      const writer = await onLarger.append('/file')
      await expectStorageError(
        writeUntilRefused(() => writer.write(Buffer.alloc(DISK_BYTES))),
        'NO_SPACE',
      )
      await expectStorageError(writer.close(), 'NO_SPACE')
      expect(await onLarger.stat('/file')).toMatchObject({ size: 0 })
    } finally {
      unmountDisk(larger.path)
    }
  })

  it('a folder that cannot be made is reported as such', async () => {
    for (let count = 0; count < 64; count++)
      await writeFile(`${folder.path}/${count}`, '').catch(() => undefined)
    await expectStorageError(driver.put('/new/folder/file', Buffer.from('content')), 'NO_SPACE')
    await expectStorageError(driver.append('/new/folder/file'), 'NO_SPACE')
  })

  it('reading goes on', async () => {
    await driver.put('/a/file', Buffer.from('content'))
    await driver.put('/rest', Buffer.alloc(900 * KIB))
    await expectStorageError(driver.put('/more', Buffer.alloc(400 * KIB)), 'NO_SPACE')
    expect(Buffer.from(await driver.get('/a/file')).toString()).toBe('content')
    expect((await collect(driver.read('/rest'))).length).toBe(900 * KIB)
    await driver.delete('/rest')
    await driver.put('/more', Buffer.alloc(400 * KIB))
  })
})

/** A writer may take much before it notices, but must fail in the end. */
async function writeUntilRefused(write: () => Promise<void> | undefined): Promise<void> {
  for (let count = 0; count < 1000; count++) await write()
}
