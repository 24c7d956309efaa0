import { expect, it } from 'vitest'
import { areSameBytes } from './same-bytes.ts'

async function* chunksOf(chunks: string[], onEnd: () => void = () => undefined) {
  try {
    for (const chunk of chunks) yield Buffer.from(chunk)
  } finally {
    onEnd()
  }
}

it.each([
  [[], [], true],
  [[''], [], true],
  [['abc', 'de'], ['a', '', 'bcd', 'e'], true],
  [['abc'], ['abc', ''], true],
  [['abc'], ['abcd'], false],
  [['abc', 'd'], ['abc'], false],
  [['abc'], ['abd'], false],
  [['abc'], [], false],
])('%j and %j are the same bytes: %s', async (one, other, expected) => {
  expect(await areSameBytes(chunksOf(one), chunksOf(other))).toBe(expected)
})

it('both are let go of at the first difference', async () => {
  const ended: string[] = []
  const one = chunksOf(['a', 'b'], () => ended.push('one'))
  const other = chunksOf(['x', 'y'], () => ended.push('other'))
  expect(await areSameBytes(one, other)).toBe(false)
  expect(ended.sort()).toEqual(['one', 'other'])
})
