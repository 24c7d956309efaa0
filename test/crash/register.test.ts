import { expect, test } from 'vitest'
import { now, Register } from './register.ts'

test('an acknowledged write is the only one that can be found', () => {
  const tag = new Register<string | undefined>(undefined)
  tag.begin('a').acknowledge()
  tag.begin('b').acknowledge()
  expect(tag.candidates()).toEqual(['b'])
})

test('a write in flight may have happened or not', () => {
  const tag = new Register<string | undefined>(undefined)
  tag.begin('a').acknowledge()
  tag.begin('b')
  expect(tag.candidates()).toEqual(['a', 'b'])
})

test('of writes at the same time any may have been the last', () => {
  const tag = new Register<string | undefined>(undefined)
  const [first, second] = [tag.begin('a'), tag.begin('b')]
  first.acknowledge()
  second.acknowledge()
  expect(tag.candidates()).toEqual(['a', 'b'])
})

test('a reader may find what was replaced while it looked, and nothing from before', () => {
  const tag = new Register<string | undefined>(undefined)
  tag.begin('a').acknowledge()
  const since = now()
  tag.begin('b').acknowledge()
  tag.begin('c').acknowledge()
  expect(tag.candidates(since)).toEqual(['a', 'b', 'c'])
  expect(tag.candidates()).toEqual(['c'])
})

test('what was found stays until the next write', () => {
  const tag = new Register<string | undefined>(undefined)
  tag.begin('a')
  tag.settle('a')
  expect(tag.candidates()).toEqual(['a'])
  expect(tag.touched).toBe(false)
})
