import { createHash, randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SLAB_BYTES } from '../shared-memory/slab.ts'
import { Hashing, type ThreadedHash } from './hashing.ts'
import { MAX_TASKS } from './task-queue.ts'

const onFailure = vi.fn()
let hashing: Hashing
beforeEach(() => {
  onFailure.mockClear()
  hashing = new Hashing(onFailure)
})
afterEach(() => hashing.close())

/** Bytes in shared memory, if there is some and they are wanted there. */
function placed(bytes: Buffer, { isShared = true } = {}): { chunk: Uint8Array; free: () => void } {
  const slab = isShared && bytes.length <= SLAB_BYTES ? hashing.memory.take() : undefined
  if (slab === undefined) return { chunk: Buffer.from(bytes), free() {} }
  slab.memory.set(bytes)
  return { chunk: slab.memory.subarray(0, bytes.length), free: () => slab.release() }
}

const hexOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function startThread(): Promise<Worker> {
  const started = once(process, 'worker')
  hashing.begin()
  const [worker] = (await started) as [Worker]
  return worker
}

test('the digests are those of node:crypto, whatever the sizes of chunks, where they lie, and how hashes alternate', async () => {
  const contents = Array.from({ length: 8 }, () => randomBytes(randomInt(3_000_000)))
  const hashes = contents.map(() => hashing.begin()!)
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
  const hash = hashing.begin()!
  const content = randomBytes(700_000)
  const digest = hexOf(content)
  await hash.update(content)
  content.fill(0)
  expect(await hash.digest()).toBe(digest)
})

test('any number of small chunks may be added before the thread has begun', async () => {
  const content = randomBytes(3 * MAX_TASKS)
  const [one, other] = [hashing.begin()!, hashing.begin()!]
  for (let at = 0; at < content.length; at++) {
    void one.update(content.subarray(at, at + 1))
    if (at % 2 === 0) void other.update(content.subarray(at, at + 2))
  }
  expect(await Promise.all([one.digest(), other.digest()])).toEqual([hexOf(content), hexOf(content)])
})

test('who adds faster than the thread hashes has to wait', async () => {
  const hash = hashing.begin()!
  const chunk = randomBytes(SLAB_BYTES)
  let room: Promise<void> | undefined
  let count = 0
  for (; room === undefined && count < 100; count++) room = hash.update(chunk)
  expect(count).toBeLessThan(30)
  await room
  expect(await hash.digest()).toBe(hexOf(Buffer.concat(Array(count).fill(chunk))))
})

test('a digest of nothing, and one that is asked for twice', async () => {
  const hash = hashing.begin()!
  expect(await hash.digest()).toBe(hexOf(Buffer.alloc(0)))
  await hash.update(Buffer.from('a'))
  expect(await hash.digest()).toBe(hexOf(Buffer.from('a')))
  expect(await hash.digest()).toBe(hexOf(Buffer.from('a')))
})

test('a hash that was given up says so', async () => {
  const hash = hashing.begin()!
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
    const hash = hashing.begin() as ThreadedHash
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
    expect(hashing.begin()).toBeUndefined()
    vi.advanceTimersByTime(60_000)
    const next = hashing.begin()!
    await next.update(chunk)
    expect(await next.digest()).toBe(hexOf(chunk))
  } finally {
    vi.useRealTimers()
  }
})

test('the memory of a thread that has ended is used again', async () => {
  const thread = await startThread()
  const hash = hashing.begin()!
  const slab = hashing.memory.take()!
  await thread.terminate()
  void hash.update(slab.memory)
  slab.release()
  expect(hashing.memory.take()).toBe(slab)
})

test('closing ends what is asked for, and no thread is started any more', async () => {
  const hash = hashing.begin()!
  await hash.update(randomBytes(100))
  await hashing.close()
  expect(await hash.digest()).toBeUndefined()
  expect(hashing.begin()).toBeUndefined()
  expect(onFailure).not.toHaveBeenCalled()
})
