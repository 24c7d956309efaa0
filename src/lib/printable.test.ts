import { expect, test } from 'vitest'
import { printable } from './printable.ts'

test.each([
  ['docker/27.0 (linux)', 'docker/27.0 (linux)'],
  ['älice', 'älice'],
  ['a\n{"level":30}', 'a?{"level":30}'],
  ['\u001b[31mred\u009b0m\u007f', '?[31mred?0m?'],
])('%j', (text, expected) => {
  expect(printable(text)).toBe(expected)
})
