import { describe, expect, it } from 'vitest'
import { catchFirst } from './catch-first.ts'

async function* failing(after: readonly number[]): AsyncIterable<number> {
  yield* after
  throw new Error('failed')
}

async function* numbers(...all: number[]): AsyncIterable<number> {
  yield* all
}

async function gather(items: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('a first step that fails', () => {
  it('is replaced by other items', async () => {
    expect(await gather(catchFirst(failing([]), () => numbers(1, 2)))).toEqual([1, 2])
  })

  it('is reported with a better error', async () => {
    const better = async () => Promise.reject(new Error('better'))
    await expect(gather(catchFirst(failing([]), better))).rejects.toThrow('better')
  })

  it('is the only one that is caught', async () => {
    await expect(gather(catchFirst(failing([1]), () => numbers(2)))).rejects.toThrow('failed')
  })
})

it('an iteration that is ended ends the items that it has come to', async () => {
  const ended: string[] = []
  async function* other(): AsyncIterable<number> {
    try {
      yield 1
      yield 2
    } finally {
      ended.push('other')
    }
  }
  for await (const item of catchFirst(failing([]), other)) if (item === 1) break
  expect(ended).toEqual(['other'])
})
