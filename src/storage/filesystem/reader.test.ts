import { readdir, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { occupyThreads } from '../../../test/support/occupy-threads.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { BufferPool } from '../buffer-pool.ts'
import { open } from './calls/descriptors.ts'
import { FileContent } from './reader.ts'

const MIB = 1024 * 1024
const MARK = 0xee

/** Marks returned buffers and never lends them again, so that later writes into them are found. */
class MarkingPool extends BufferPool {
  readonly returned: Buffer[] = []

  override give(buffer: Buffer): void {
    this.returned.push(buffer.fill(MARK))
  }
}

it('a buffer is given back only when the read into it has ended', async () => {
  await using folder = await temporaryFolder()
  const file = `${folder.path}/file`
  await writeFile(file, Buffer.alloc(4 * MIB))
  const buffers = new MarkingPool()
  const chunks = new FileContent({ path: '/file', open: () => open(file, 'r'), buffers }, {})
  const reader = chunks[Symbol.asyncIterator]()
  await reader.next()
  const otherWork = occupyThreads()
  // The read ahead that this step starts has to wait for a thread.
  await reader.next()
  await reader.return?.()
  await otherWork
  await readdir(folder.path)
  expect(buffers.returned).toHaveLength(2)
  for (const buffer of buffers.returned) expect(buffer.every((byte) => byte === MARK)).toBe(true)
})
