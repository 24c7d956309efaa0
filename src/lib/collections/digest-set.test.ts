import { expect, test } from 'vitest'
import { digestOf, hexOf } from '../../core/digest.ts'
import { DigestSet } from './digest-set.ts'

test('a set of digests has what was added, and nothing else', () => {
  const set = new DigestSet()
  const hexes = Array.from({ length: 200_000 }, (_, index) => hexOf(digestOf(Buffer.from(`${index}`))))
  const [inside, outside] = [hexes.slice(0, 150_000), hexes.slice(150_000)]
  for (const hex of inside) expect(set.add(hex)).toBe(true)
  expect(set.size).toBe(inside.length)
  expect(inside.every((hex) => set.has(hex) && !set.add(hex))).toBe(true)
  expect(outside.some((hex) => set.has(hex))).toBe(false)
})

test('the digest that begins with zeros is like others', () => {
  const set = new DigestSet()
  const zeros = '0'.repeat(64)
  expect(set.has(zeros)).toBe(false)
  expect([set.add(zeros), set.add(zeros), set.has(zeros)]).toEqual([true, false, true])
  expect(set.has(`${'0'.repeat(15)}1${'0'.repeat(48)}`)).toBe(false)
})
