import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { afterEach, describe, expect, it } from 'vitest'
import { SpoolFile } from '../../lib/files/spool-file.ts'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import { BLOCK_BYTES, BlockPool } from './blocks.ts'
import { HELD_BYTES, Spool } from './spool.ts'

const size = 12 * BLOCK_BYTES + 1000
const bytes = randomBytes(size)

const opened: Spool[] = []
afterEach(async () => {
  for (const spool of opened.splice(0)) await spool.close()
})

async function open({ inFile = true, blocks = new BlockPool() } = {}): Promise<Spool> {
  const file = inFile ? await SpoolFile.open(tmpdir()) : undefined
  const spool = new Spool({ blocks, file, size })
  opened.push(spool)
  return spool
}

/** Appends a part of the bytes in chunks of uneven sizes. */
async function fill(spool: Spool, start = 0, end = size): Promise<void> {
  for (let at = start, count = 1; at < end; at += count) {
    count = Math.min(1 + ((at * 7919) % 100_000), end - at)
    await spool.append(bytes.subarray(at, at + count))
  }
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

describe.each([true, false])('a spool (with a file: %s)', (inFile) => {
  it('gives every reader the bytes of its range, wherever the writer is', async () => {
    const spool = await open({ inFile })
    const ranges = [undefined, { start: 5, end: 5 }, { start: BLOCK_BYTES - 1, end: 3 * BLOCK_BYTES }]
    const early = ranges.map((range) => gather(spool.read(range)))
    await fill(spool)
    const late = ranges.map((range) => gather(spool.read(range)))
    spool.complete()
    const last = gather(spool.read({ start: size - 10, end: size - 1 }))
    const wanted = ranges.map((range) => bytes.subarray(range?.start, range && range.end + 1))
    for (const [index, read] of (await Promise.all([...early, ...late])).entries())
      expect(read.equals(wanted[index % ranges.length]!)).toBe(true)
    expect((await last).equals(bytes.subarray(-10))).toBe(true)
  })

  it('holds the last bytes until it is complete', async () => {
    const spool = await open({ inFile })
    const reader = spool.read()[Symbol.asyncIterator]()
    await fill(spool)
    let received = 0
    while (received < size - HELD_BYTES) received += (await reader.next()).value?.length ?? 0
    expect(received).toBe(size - HELD_BYTES)
    const next = reader.next()
    spool.fail(new Error('wrong bytes'))
    await expect(next).rejects.toThrow('wrong bytes')
  })

  it('keeps a chunk unchanged until the next one is requested', async () => {
    const blocks = new BlockPool()
    const spool = await open({ inFile, blocks })
    await fill(spool, 0, 2 * BLOCK_BYTES)
    const reader = spool.read()[Symbol.asyncIterator]()
    const { value: chunk } = await reader.next()
    await fill(spool, 2 * BLOCK_BYTES)
    const other = await open({ blocks })
    await other.append(randomBytes(4 * BLOCK_BYTES))
    expect(Buffer.from(chunk!).equals(bytes.subarray(0, chunk!.length))).toBe(true)
    await reader.return?.()
  })

  it('lets storage free what it has written, and still has it for others', async () => {
    const spool = await open({ inFile })
    await fill(spool)
    spool.complete()
    for await (const chunk of spool.read()) freeMemoryOf(chunk)
    expect((await gather(spool.read())).equals(bytes)).toBe(true)
  })

  it('gives a reader that wants large chunks no small ones, except the last', async () => {
    const spool = await open({ inFile })
    const lengths: number[] = []
    const reading = (async () => {
      for await (const { length } of spool.read(undefined, BLOCK_BYTES)) lengths.push(length)
    })()
    await fill(spool)
    spool.complete()
    await reading
    expect(lengths).toEqual([...Array(12).fill(BLOCK_BYTES), 1000])
  })
})

it('blocks are used again, once the spool is closed', async () => {
  const blocks = new BlockPool()
  const spool = await open({ inFile: false, blocks })
  await spool.append(bytes)
  const reader = spool.read()[Symbol.asyncIterator]()
  const { value: chunk } = await reader.next()
  await spool.close()
  const memories = Array.from({ length: 12 }, () => blocks.take().memory.buffer)
  expect(memories).not.toContain(chunk!.buffer)
  await reader.return?.()
  expect(blocks.take().memory.buffer).toBe(chunk!.buffer)
})
