import { describe, expect, it } from 'vitest'
import { BufferPool } from './buffer-pool.ts'

const KIB = 1024
const MIB = 1024 * KIB

describe('the pool of read buffers', () => {
  it('lends no more than is asked for where that is little', () => {
    expect(new BufferPool().take(100)).toHaveLength(100)
  })

  it('lends large buffers of the size that was asked for', () => {
    const pool = new BufferPool({ largeBytes: MIB })
    const first = pool.take(64 * MIB)
    expect(first).toHaveLength(MIB)
    pool.give(first)
    expect(pool.take(64 * MIB)).toBe(first)
  })

  it('lends a buffer again once it is given back, and not before', () => {
    const pool = new BufferPool()
    const first = pool.take(64 * MIB)
    const second = pool.take(64 * MIB)
    expect(first).toHaveLength(512 * KIB)
    expect(second).not.toBe(first)
    pool.give(first)
    expect(pool.take(100 * KIB)).toBe(first)
  })

  it('lends small buffers while much is lent, and large ones again when it came back', () => {
    const pool = new BufferPool({ maxLentBytes: 4 * MIB })
    const large = Array.from({ length: 8 }, () => pool.take(MIB))
    expect(large.every((buffer) => buffer.length === 512 * KIB)).toBe(true)
    const medium = Array.from({ length: 32 }, () => pool.take(MIB))
    expect(medium.every((buffer) => buffer.length === 64 * KIB)).toBe(true)
    const small = pool.take(MIB)
    expect(small).toHaveLength(8 * KIB)
    expect(pool.take(60 * KIB)).toHaveLength(8 * KIB)
    pool.give(small)
    expect(pool.take(MIB)).toBe(small)
    for (const buffer of [...large, ...medium]) pool.give(buffer)
    expect(pool.take(MIB)).toHaveLength(512 * KIB)
  })
})
