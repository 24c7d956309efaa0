import { expect, test } from 'vitest'
import { LineBuffer } from './line-buffer.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

test('takes whole lines, as many as there is room for, in order', () => {
  const lines = new LineBuffer()
  for (const line of ['one\n', 'two\n', 'three\n']) lines.append(line)
  expect(lines.byteLength).toBe(14)
  expect(text(lines.take(9))).toBe('one\ntwo\n')
  lines.append('four\n')
  expect(text(lines.take(5))).toBe('three\n')
  expect(text(lines.take(100))).toBe('four\n')
  expect(lines.take(100)).toHaveLength(0)
  expect(lines.byteLength).toBe(0)
})

test('a line may be longer than the room, and than a chunk', () => {
  const lines = new LineBuffer()
  const long = `${'ü'.repeat(100_000)}\n`
  lines.append('short\n')
  lines.append(long)
  lines.append('last\n')
  expect(text(lines.take(4096))).toBe('short\n')
  expect(text(lines.take(4096))).toBe(long)
  expect(text(lines.take(4096))).toBe('last\n')
})

test('nothing is lost or reordered, whatever is taken in between', () => {
  const lines = new LineBuffer()
  let taken = ''
  let expected = ''
  for (let number = 0; number < 5_000; number++) {
    const line = `${number} ${'€x'.repeat(number % 97)}\n`
    lines.append(line)
    expected += line
    if (number % 13 === 0) taken += text(lines.take(number % 3 === 0 ? 700 : 100_000))
  }
  taken += text(lines.takeAll())
  expect(taken).toBe(expected)
  expect(lines.byteLength).toBe(0)
})
