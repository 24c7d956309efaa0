import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { afterEach, expect, test, vi } from 'vitest'
import { type PartBuffer, PartBuffers } from './part-buffers.ts'
import { tryToSpill } from './spill-file.ts'

const MIB = 1024 * 1024

afterEach(() => vi.unstubAllEnvs())

/** Adds chunks until it is full. */
async function fill(buffer: PartBuffer): Promise<Buffer> {
  const chunks: Buffer[] = []
  while (!buffer.isFull) {
    const chunk = randomBytes(50_001)
    chunks.push(chunk.subarray(0, buffer.add(chunk)))
    await buffer.room()
  }
  return Buffer.concat(chunks)
}

const contentOf = (part: PartBuffer) => part.lend(async (content) => Buffer.from(content))

test('parts beyond the budget are whole, and what is free again is used again', async () => {
  const buffers = new PartBuffers({ partBytes: 5 * MIB, maxBytes: 11 * MIB })
  const parts = Array.from({ length: 5 }, () => buffers.openNext(5 * MIB))
  const contents = await Promise.all(parts.map(fill))
  for (const [index, part] of parts.entries())
    expect((await contentOf(part)).equals(contents[index] as Buffer)).toBe(true)
  expect(buffers.take(5 * MIB)).toBeUndefined()
  for (const part of parts) part.release()
  expect(buffers.take(5 * MIB)).toHaveLength(5 * MIB)
  expect((await readdir(tmpdir())).filter((name) => /^entrepot-[0-9a-f]{8}-/.test(name))).toEqual([])
})

test('a part that is spilled in the middle has what it had before', async () => {
  const buffers = new PartBuffers({ partBytes: 5 * MIB, maxBytes: 3 * MIB })
  const part = buffers.open()
  const content = await fill(part)
  expect((await contentOf(part)).equals(content)).toBe(true)
  part.release()
  expect(buffers.take(3 * MIB)).toHaveLength(3 * MIB)
})

test('where no file can be made, that is said', async () => {
  vi.stubEnv('TMPDIR', '/dev/null/none')
  await expect(tryToSpill()).rejects.toThrow('ENOTDIR')
  const part = new PartBuffers({ partBytes: MIB, maxBytes: 0 }).open()
  await expect(fill(part)).rejects.toMatchObject({
    code: 'BUSY',
    message: expect.stringContaining("can't be written to"),
  })
  await expect(contentOf(part)).rejects.toMatchObject({ code: 'BUSY' })
  part.release()
})
