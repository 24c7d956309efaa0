import { describe, expect, it } from 'vitest'
import { type Attempt, type Change, isExplained, type RepositoryState } from './orders.ts'

const before = state(['a', 'b'], { latest: 'a' })
const deleteA: Change = { kind: 'delete', content: 'a' }
const tagB: Change = { kind: 'push', tag: 'latest', content: 'b' }
const tagAgain: Change = { kind: 'push', tag: 'second', content: 'a' }

describe('an outcome of requests at the same time', () => {
  it.each([
    ['the tag was moved, and the manifest deleted', [deleteA, tagB], state(['b'], { latest: 'b' }), true],
    ['the tag is lost', [deleteA, tagB], state(['b'], {}), false],
    ['pushed, then deleted', [deleteA, tagAgain], state(['b'], {}), true],
    ['deleted, then pushed', [deleteA, tagAgain], state(['a', 'b'], { second: 'a' }), true],
    ['a tag names what is gone', [deleteA, tagAgain], state(['b'], { second: 'a' }), false],
    [
      'the first tag is still there',
      [deleteA, tagAgain],
      state(['a', 'b'], { latest: 'a', second: 'a' }),
      false,
    ],
    ['the manifest has lost its tag', [deleteA, tagAgain], state(['a', 'b'], {}), false],
  ])('%s', (_, changes, after, isRight) => {
    const attempts = changes.map((change) => attempt(change))
    expect(isExplained(before, attempts, after)).toBe(isRight)
  })

  it('keeps what was done before something else began', () => {
    const attempts = [attempt(deleteA, { endedAt: 1 }), attempt(tagAgain, { startedAt: 2 })]
    expect(isExplained(before, attempts, state(['b'], {}))).toBe(false)
    expect(isExplained(before, attempts, state(['a', 'b'], { second: 'a' }))).toBe(true)
  })

  it('has nothing of what was refused, for which there was a reason', () => {
    const refused = attempt(deleteA, { outcome: 'refused' })
    expect(isExplained(before, [refused], before)).toBe(false)
    expect(isExplained(before, [refused, attempt(deleteA)], state(['b'], {}))).toBe(true)
  })

  it('a tag that a push has to write again can be found missing meanwhile, and only then', () => {
    const untagged = attempt({ kind: 'untag', tag: 'latest' }, { outcome: 'refused' })
    const pushedAgain = attempt({ kind: 'push', tag: 'latest', content: 'a' })
    const after = state(['a', 'b'], { latest: 'a' })
    expect(isExplained(before, [untagged, pushedAgain, attempt(deleteA)], after)).toBe(true)
    expect(isExplained(before, [untagged, pushedAgain], after)).toBe(false)
    expect(isExplained(before, [untagged, attempt(deleteA)], state(['b'], {}))).toBe(true)
    expect(isExplained(before, [untagged], before)).toBe(false)
  })

  it('may have something of what was not answered, also later', () => {
    const unknown = attempt(deleteA, { outcome: 'unknown', endedAt: 1 })
    const tagged = attempt(tagAgain, { startedAt: 2 })
    expect(isExplained(before, [unknown, tagged], state(['b'], {}))).toBe(true)
    expect(isExplained(before, [unknown], before)).toBe(true)
    expect(isExplained(before, [unknown], state(['a', 'b'], {}))).toBe(true)
    expect(isExplained(before, [unknown], state(['b'], { latest: 'a' }))).toBe(false)
  })
})

function state(contents: string[], tags: Record<string, string>): RepositoryState {
  return { contents: new Set(contents), tags: new Map(Object.entries(tags)) }
}

function attempt(change: Change, parts: Partial<Attempt> = {}): Attempt {
  return { change, outcome: 'done', startedAt: 0, endedAt: 10, ...parts }
}
