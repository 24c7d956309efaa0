import { describe, expect, it } from 'vitest'
import { BufferPool } from './buffer-pool.ts'

const KIB = 1024
const MIB = 1024 * KIB

describe('the pool of read buffers', () => {
  it('lends no more than is asked for where that is little', () => {
    expect(new BufferPool().take(100)).toHaveLength(100)
  })

  it('lends half of a MiB for what fits into one, so that it comes in two parts', () => {
    expect(new BufferPool().take(MIB)).toHaveLength(512 * KIB)
    expect(new BufferPool().take(MIB + 1)).toHaveLength(MIB)
  })

  it('lends a buffer again once it is given back, and not before', () => {
    const pool = new BufferPool()
    const first = pool.take(64 * MIB)
    const second = pool.take(64 * MIB)
    expect(first).toHaveLength(MIB)
    expect(second).not.toBe(first)
    pool.give(first)
    expect(pool.take(64 * MIB)).toBe(first)
  })

  it('lends smaller buffers the more is lent, and large ones again when it came back', () => {
    const pool = new BufferPool({ maxLentBytes: 4 * MIB })
    const lent: Buffer[] = []
    const expectLent = (count: number, size: number) => {
      for (let index = 0; index < count; index++) {
        const buffer = pool.take(2 * MIB)
        expect(buffer).toHaveLength(size)
        lent.push(buffer)
      }
    }
    expectLent(2, MIB)
    expectLent(4, 512 * KIB)
    expectLent(32, 64 * KIB)
    expectLent(1, 8 * KIB)
    expect(pool.take(60 * KIB)).toHaveLength(8 * KIB)
    const small = lent.pop() as Buffer
    pool.give(small)
    expect(pool.take(2 * MIB)).toBe(small)
    for (const buffer of lent) pool.give(buffer)
    expectLent(1, MIB)
  })
})
