import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { SLAB_BYTES } from '../shared-memory/slab.ts'
import { Ingest } from './ingest.ts'
import { MAX_TASKS } from './task-queue.ts'
import type { ThreadedHash } from './threaded-hash.ts'

const onFailure = vi.fn()
let ingest: Ingest
beforeEach(() => {
  onFailure.mockClear()
  ingest = new Ingest(onFailure)
})
afterEach(() => ingest.close())

/** Bytes in shared memory, if there is some and they are wanted there. */
function placed(bytes: Buffer, { isShared = true } = {}): { chunk: Uint8Array; free: () => void } {
  const slab = isShared && bytes.length <= SLAB_BYTES ? ingest.memory.take() : undefined
  if (slab === undefined) return { chunk: Buffer.from(bytes), free() {} }
  slab.memory.set(bytes)
  return { chunk: slab.memory.subarray(0, bytes.length), free: () => slab.release() }
}

const hexOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function startThread(): Promise<Worker> {
  const started = once(process, 'worker')
  ingest.beginHash()
  const [worker] = (await started) as [Worker]
  return worker
}

test('the digests are those of node:crypto, whatever the sizes of chunks, where they lie, and how hashes alternate', async () => {
  const contents = Array.from({ length: 8 }, () => randomBytes(randomInt(3_000_000)))
  const hashes = contents.map(() => ingest.beginHash()!)
  const ends = contents.map(() => 0)
  const isDone = (index: number) => ends[index] === contents[index]!.length
  while (!contents.every((_, index) => isDone(index))) {
    const index = randomInt(contents.length)
    if (isDone(index)) continue
    const begin = ends[index]!
    const end = Math.min(contents[index]!.length, begin + randomInt(1, randomInt(2) ? 400_000 : 2_000))
    ends[index] = end
    const { chunk, free } = placed(contents[index]!.subarray(begin, end), { isShared: randomInt(3) > 0 })
    const room = hashes[index]!.update(chunk)
    free()
    // Memory of others may be written to at once.
    if (randomInt(3) === 0)
      expect(await hashes[index]!.digest()).toBe(hexOf(contents[index]!.subarray(0, end)))
    await room
  }
  for (const [index, content] of contents.entries())
    expect(await hashes[index]!.digest()).toBe(hexOf(content))
})

test('bytes that were copied may change at once', async () => {
  const hash = ingest.beginHash()!
  const content = randomBytes(700_000)
  const digest = hexOf(content)
  await hash.update(content)
  content.fill(0)
  expect(await hash.digest()).toBe(digest)
})

test('any number of small chunks may be added before the thread has begun', async () => {
  const content = randomBytes(3 * MAX_TASKS)
  const [one, other] = [ingest.beginHash()!, ingest.beginHash()!]
  for (let at = 0; at < content.length; at++) {
    void one.update(content.subarray(at, at + 1))
    if (at % 2 === 0) void other.update(content.subarray(at, at + 2))
  }
  expect(await Promise.all([one.digest(), other.digest()])).toEqual([hexOf(content), hexOf(content)])
})

test('who adds faster than the thread hashes has to wait', async () => {
  const hash = ingest.beginHash()!
  const chunk = randomBytes(SLAB_BYTES)
  let room: Promise<void> | undefined
  let count = 0
  for (; room === undefined && count < 100; count++) room = hash.update(chunk)
  expect(count).toBeLessThan(30)
  await room
  expect(await hash.digest()).toBe(hexOf(Buffer.concat(Array(count).fill(chunk))))
})

test('of many that add at once, each waits only for a while', async () => {
  const content = randomBytes(100_000)
  const parts = Array<Buffer>(30).fill(content)
  const digest = hexOf(Buffer.concat(parts))
  const add = async () => {
    const hash = ingest.beginHash()!
    for (const part of parts) await hash.update(part)
    return hash.digest()
  }
  expect(await Promise.all(Array.from({ length: 40 }, add))).toEqual(Array(40).fill(digest))
})

test('a digest of nothing, and one that is asked for twice', async () => {
  const hash = ingest.beginHash()!
  expect(await hash.digest()).toBe(hexOf(Buffer.alloc(0)))
  await hash.update(Buffer.from('a'))
  expect(await hash.digest()).toBe(hexOf(Buffer.from('a')))
  expect(await hash.digest()).toBe(hexOf(Buffer.from('a')))
})

test('a hash that was given up says so', async () => {
  const hash = ingest.beginHash()!
  await hash.update(Buffer.from('a'))
  hash.end()
  hash.end()
  expect(hash.update(Buffer.from('b'))).toBeUndefined()
  expect(await hash.digest()).toBeUndefined()
})

test('if the thread ends, its hashes are lost, nobody waits for ever, and later another is started', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  try {
    const thread = await startThread()
    const hash = ingest.beginHash() as ThreadedHash
    let room: Promise<void> | undefined
    const chunk = randomBytes(SLAB_BYTES)
    while (room === undefined) room = hash.update(chunk)
    const digest = hash.digest()
    await thread.terminate()
    await room
    expect((await digest) === undefined || (await digest)?.length === 64).toBe(true)
    await vi.waitFor(() => expect(onFailure).toHaveBeenCalledOnce())
    expect(hash.update(chunk)).toBeUndefined()
    expect(await hash.digest()).toBeUndefined()
    expect(ingest.beginHash()).toBeUndefined()
    vi.advanceTimersByTime(60_000)
    const next = ingest.beginHash()!
    await next.update(chunk)
    expect(await next.digest()).toBe(hexOf(chunk))
  } finally {
    vi.useRealTimers()
  }
})

test('the memory of a thread that has ended is used again', async () => {
  const thread = await startThread()
  const hash = ingest.beginHash()!
  const slab = ingest.memory.take()!
  await thread.terminate()
  void hash.update(slab.memory)
  slab.release()
  expect(ingest.memory.take()).toBe(slab)
})

describe('files', () => {
  let folder: TemporaryFolder
  let file: FileHandle
  beforeEach(async () => {
    folder = await temporaryFolder()
    file = await open(`${folder.path}/file`, 'w')
  })
  afterEach(async () => {
    await file.close()
    await folder.remove()
  })

  const openFile = (position = 0, onFailure: (failure: Error) => void = vi.fn()) =>
    ingest.openFile({ descriptor: file.fd, position, onFailure })!

  test('bytes are written in order and hashed, wherever they lie', async () => {
    const content = randomBytes(3_000_000)
    const [hash, threaded] = [ingest.beginHash()!, openFile()]
    for (let at = 0; at < content.length; ) {
      const end = Math.min(content.length, at + randomInt(1, 300_000))
      const { chunk, free } = placed(content.subarray(at, end), { isShared: randomInt(3) > 0 })
      const rooms = [hash.update(chunk), threaded.write(chunk)]
      free()
      if (randomInt(3) === 0) {
        await threaded.settle()
        expect((await file.stat()).size).toBe(end)
      }
      await Promise.all(rooms)
      at = end
    }
    expect(await hash.digest()).toBe(hexOf(content))
    await threaded.settle()
    expect(await readFile(`${folder.path}/file`)).toEqual(content)
    threaded.end()
  })

  test.each([0, 1, 2 ** 31, 2 ** 32 - 1, 5 * 2 ** 32 + 3])('from position %d', async (position) => {
    const threaded = openFile(position)
    await threaded.write(Buffer.from('bytes'))
    await threaded.settle()
    expect((await file.stat()).size).toBe(position + 5)
    const read = await open(`${folder.path}/file`)
    try {
      const { buffer } = await read.read(Buffer.alloc(5), 0, 5, position)
      expect(buffer.toString()).toBe('bytes')
    } finally {
      await read.close()
    }
  })

  test('a failure is told once, nothing more is written, and other files go on', async () => {
    const onFailure = vi.fn()
    const readOnly = await open(`${folder.path}/file`)
    try {
      const failing = ingest.openFile({ descriptor: readOnly.fd, position: 0, onFailure })!
      const other = openFile()
      for (let count = 0; count < 3; count++) {
        await failing.write(Buffer.from('no'))
        await other.write(Buffer.from('yes'))
      }
      await failing.settle()
      await other.settle()
      expect(onFailure).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'EBADF' }))
      expect(await readFile(`${folder.path}/file`, 'utf8')).toBe('yesyesyes')
    } finally {
      await readOnly.close()
    }
  })

  test('if the thread ends, open files fail, and are settled once it has', async () => {
    const thread = await startThread()
    const onFailure = vi.fn()
    const threaded = openFile(0, onFailure)
    let room: Promise<void> | undefined
    while (room === undefined) room = threaded.write(randomBytes(SLAB_BYTES))
    const settled = threaded.settle()
    await Promise.all([thread.terminate(), room, settled])
    await vi.waitFor(() => expect(onFailure).toHaveBeenCalledOnce())
    expect(onFailure.mock.lastCall?.[0]).toMatchObject({ code: 'ESHUTDOWN' })
    await threaded.settle()
    expect(ingest.openFile({ descriptor: file.fd, position: 0, onFailure })).toBeUndefined()
  })

  test('closing fails open files at once, and settles them once the thread has ended', async () => {
    const onExit = vi.fn()
    const thread = await startThread()
    thread.once('exit', onExit)
    const onFailure = vi.fn()
    const threaded = openFile(0, onFailure)
    await threaded.write(randomBytes(SLAB_BYTES))
    const closed = ingest.close()
    expect(onFailure).toHaveBeenCalledOnce()
    await threaded.settle()
    expect(onExit).toHaveBeenCalledOnce()
    const { size } = await file.stat()
    await closed
    await threaded.write(randomBytes(SLAB_BYTES))
    await threaded.settle()
    expect((await file.stat()).size).toBe(size)
  })

  test('a file that has ended fails no more', async () => {
    const onFailure = vi.fn()
    const threaded = openFile(0, onFailure)
    await threaded.write(Buffer.from('bytes'))
    await threaded.settle()
    threaded.end()
    await ingest.close()
    expect(onFailure).not.toHaveBeenCalled()
  })
})

test('closing ends what is asked for, and no thread is started any more', async () => {
  const hash = ingest.beginHash()!
  await hash.update(randomBytes(100))
  await ingest.close()
  expect(await hash.digest()).toBeUndefined()
  expect(ingest.beginHash()).toBeUndefined()
  expect(onFailure).not.toHaveBeenCalled()
})
