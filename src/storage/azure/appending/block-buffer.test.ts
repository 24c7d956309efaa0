import { expect, it } from 'vitest'
import { BlockBuffer } from './block-buffer.ts'

it('a block takes what it has room for, and keeps it in order', () => {
  const block = new BlockBuffer(200_000)
  const chunks = Array.from({ length: 30 }, (_, index) => Buffer.alloc(7_000, index + 1))
  const taken = chunks.map((chunk) => block.take(chunk))
  expect(taken).toEqual([...Array(28).fill(7_000), 4_000, 0])
  expect(block.isFull).toBe(true)
  expect(block.bytes.equals(Buffer.concat(chunks).subarray(0, 200_000))).toBe(true)
})

it('a block is not the memory of the chunks it took', () => {
  const block = new BlockBuffer(100)
  const chunk = Buffer.from('content')
  block.take(chunk)
  chunk.fill('x')
  expect(block.bytes.toString()).toBe('content')
})
