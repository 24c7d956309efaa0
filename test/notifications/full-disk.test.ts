/** A disk that is full meanwhile: what was acknowledged is told, and what was refused is not. */
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EventReceiver } from '../support/event-receiver.ts'
import { smallDisk } from '../support/small-disk.ts'
import { NotifyingRegistryUnderTest, until } from './support.ts'

test('a disk that is full for a while costs no event', async ({ skip }) => {
  await using disk = await smallDisk()
  if (disk === undefined) return skip('a file system of its own can be mounted by root only')
  await using receiver = await EventReceiver.start()
  await using registry = await NotifyingRegistryUnderTest.start({
    storage: { filesystem: { rootdirectory: join(disk.path, 'data') } },
    notifications: { endpoints: [{ name: 'receiver', url: receiver.url }] },
  })
  const acknowledged: string[] = []
  let refused = 0
  const push = async (name: string) => {
    const digest = await registry.client.pushBlob('a', Buffer.from(name))
    acknowledged.push(digest)
  }
  const told = () => new Set(receiver.events.map(({ target }) => String(target.digest)))
  await push('before')
  const filler = join(disk.path, 'filler')
  await fill(filler)
  for (let count = 0; count < 20; count++) await push(`full ${count}`).catch(() => refused++)
  expect(refused).toBeGreaterThan(0)
  await rm(filler)
  await push('after')
  await until(() => acknowledged.every((digest) => told().has(digest)))
  const there = await Promise.all([...told()].map((digest) => registry.client.hasBlob('a', digest)))
  expect(there.every(Boolean)).toBe(true)
})

/** Writes until nothing more fits. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (const size of [64 * 1024, 1]) for (;;) await file.write(Buffer.alloc(size))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}
