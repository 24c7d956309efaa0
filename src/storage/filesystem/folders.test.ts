import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { describe, expect, it, vi } from 'vitest'
import { occupyThreads } from '../../../test/support/occupy-threads.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { Folders } from './folders.ts'

describe('folders', () => {
  it('all who ask while a sync runs share the one that begins after it', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    const running = folders.sync(folder.path)
    const next = folders.sync(folder.path)
    expect(next).not.toBe(running)
    expect(folders.sync(folder.path)).toBe(next)
    await running
    expect(folders.sync(folder.path)).not.toBe(running)
    await next
    const later = folders.sync(folder.path)
    expect(later).not.toBe(next)
    await later
  })

  it('a failed sync fails for those who share it, and does not keep the next one from beginning', async () => {
    const folders = new Folders()
    // Folders below this one can't be opened: the name is too long.
    const impossible = `/tmp/${'n'.repeat(300)}`
    const running = folders.sync(impossible)
    const next = folders.sync(impossible)
    await expect(running).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
    await expect(next).rejects.toMatchObject({ code: 'ENAMETOOLONG' })
  })

  it('what a sync has covered needs no second one', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    await folders.make(`${folder.path}/made`)
    await folders.secure(`${folder.path}/made`)
    const syncs = vi.spyOn(folders, 'sync')
    await folders.secure(`${folder.path}/made`)
    expect(syncs.mock.calls).toEqual([[`${folder.path}/made`]])
  })

  it('a folder that is made while the one above it is synced waits for the next sync', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    const running = folders.sync(folder.path)
    const made = folders.make(`${folder.path}/made`)
    const otherWork = occupyThreads()
    await made
    let isNextOver = false
    const settled = folders.secure(`${folder.path}/made`)
    const next = folders.sync(folder.path).then(() => {
      isNextOver = true
    })
    await settled
    expect(isNextOver).toBe(true)
    await Promise.all([running, next, otherWork])
  })

  it('a sync that began before a folder was made does not make it durable', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    const running = folders.sync(folder.path)
    const made = folders.make(`${folder.path}/made`)
    await Promise.all([occupyThreads(), made, running])
    const settled = folders.secure(`${folder.path}/made`)
    expect(await isSyncing(folders, folder.path)).toBe(true)
    await settled
  })

  it('a folder that is still being made is not taken for durable', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    const made = folders.make(`${folder.path}/above/made`)
    // There is nothing to sync yet, so this ends while the folder is being created.
    await folders.sync(`${folder.path}/above`)
    await made
    const settled = folders.secure(`${folder.path}/above/made`)
    expect(await isSyncing(folders, `${folder.path}/above`)).toBe(true)
    await settled
  })

  it('a folder that somebody else has made is durable only when the one above it was synced here', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    await folders.secure(folder.path)
    await mkdir(`${folder.path}/made`)
    const syncs = vi.spyOn(folders, 'sync')
    await folders.secure(`${folder.path}/made`)
    expect(syncs.mock.calls).toEqual([[`${folder.path}/made`], [folder.path]])
  })

  it('another folder in the place of a durable one is not durable', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    await folders.make(`${folder.path}/made`)
    await folders.secure(`${folder.path}/made`)
    await rm(`${folder.path}/made`, { recursive: true })
    await mkdir(`${folder.path}/made`)
    const syncs = vi.spyOn(folders, 'sync')
    await folders.secure(`${folder.path}/made`)
    expect(syncs.mock.calls).toEqual([[`${folder.path}/made`], [folder.path]])
  })

  it('a folder whose sync above it failed is synced again', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    await folders.make(`${folder.path}/made`)
    const failing = vi.spyOn(folders, 'sync').mockRejectedValue(new Error('EIO'))
    await expect(folders.secure(`${folder.path}/made`)).rejects.toThrow('EIO')
    failing.mockRestore()
    const syncs = vi.spyOn(folders, 'sync')
    await folders.secure(`${folder.path}/made`)
    expect(syncs.mock.calls).toContainEqual([folder.path])
  })

  it('a folder that is gone needs no sync', async () => {
    await using folder = await temporaryFolder()
    await new Folders().sync(`${folder.path}/absent`)
  })

  it('a folder is made with those above it, by many at once', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    await Promise.all(Array.from({ length: 20 }, (_, index) => folders.make(`${folder.path}/a/b/c/${index}`)))
    await folders.secure(`${folder.path}/a/b/c/0`)
    expect(await readdir(`${folder.path}/a/b/c`)).toHaveLength(20)
  })

  it('a step is begun again when its folder is removed under it', async () => {
    await using folder = await temporaryFolder()
    const folders = new Folders()
    let attempts = 0
    await folders.within(`${folder.path}/a/b`, async () => {
      if (++attempts === 3) await rm(`${folder.path}/a`, { recursive: true })
      await writeFile(attempts < 3 ? `${folder.path}/none/x` : `${folder.path}/a/b/x`, '')
    })
    expect(attempts).toBe(4)
  })

  it('a step whose folder is removed again and again fails in the end', async () => {
    await using folder = await temporaryFolder()
    const step = () => readdir(`${folder.path}/never`)
    await expect(new Folders().within(folder.path, step)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

/** Concurrent callers share a sync only while one is running. */
async function isSyncing(folders: Folders, folder: string): Promise<boolean> {
  const [one, other] = [folders.sync(folder), folders.sync(folder)]
  await Promise.all([one, other])
  return one === other
}
