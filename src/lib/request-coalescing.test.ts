import { describe, expect, it } from 'vitest'
import { CoalescedReads } from './request-coalescing.ts'

/** A place whose reads end when the test says so. */
class SlowPlace {
  value = 'first'
  readonly reads: PromiseWithResolvers<void>[] = []
  readonly joined = new CoalescedReads((_key) => this.#read())

  async #read(): Promise<string> {
    const seen = this.value
    const read = Promise.withResolvers<void>()
    this.reads.push(read)
    await read.promise
    return seen
  }
}

describe('joined reads', () => {
  it('whoever asks while one runs shares the next, which sees what has changed meanwhile', async () => {
    const place = new SlowPlace()
    const first = place.joined.read('key')
    place.value = 'second'
    const others = Array.from({ length: 10 }, () => place.joined.read('key'))
    place.reads[0]!.resolve()
    expect(await first).toBe('first')
    await expect.poll(() => place.reads.length).toBe(2)
    place.reads[1]!.resolve()
    expect(await Promise.all(others)).toEqual(Array(10).fill('second'))
    expect(place.reads.length).toBe(2)
  })

  it('reads of other things do not wait', async () => {
    const place = new SlowPlace()
    const reads = [place.joined.read('one'), place.joined.read('another')]
    expect(place.reads.length).toBe(2)
    for (const read of place.reads) read.resolve()
    await Promise.all(reads)
  })

  it('one that fails does not keep the next from being tried', async () => {
    const place = new SlowPlace()
    const first = place.joined.read('key')
    const second = place.joined.read('key')
    place.reads[0]!.reject(new Error('no such disk'))
    await expect(first).rejects.toThrow('no such disk')
    await expect.poll(() => place.reads.length).toBe(2)
    place.reads[1]!.resolve()
    expect(await second).toBe('first')
  })
})
