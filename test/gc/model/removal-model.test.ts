import { describe, expect, test } from 'vitest'
import { checkRemovalModel, type RemovalModelOptions, type RemovalMutation } from './removal-model.ts'

const TWO_OF_ONE_INDEX: RemovalModelOptions = { pushers: ['index', 'index'], retries: 0 }

/** In some thousands of states each. */
const SMALL: Readonly<Record<string, RemovalModelOptions>> = {
  'an index is tagged, two collectors': { retries: 0 },
  'the child alone is there': { standing: 2, retries: 0 },
  'the child is pushed again by digest': { pushers: ['child'] },
  'an index is tagged, and its tag removed': { collectors: 1, runs: 2, untags: 1 },
  'an index and its child, one collector': { pushers: ['index', 'child'], collectors: 1, retries: 0 },
  'two pushers of one index, one collector': { ...TWO_OF_ONE_INDEX, collectors: 1 },
}

/** In some millions. */
const LARGE: Readonly<Record<string, RemovalModelOptions>> = {
  'an index is tagged, two collectors, again': {},
  'the child alone is there, again': { standing: 2 },
  'two collectors, two runs': { runs: 2, retries: 0 },
  'three collectors': { collectors: 3, retries: 0 },
  'two pushers of one index': TWO_OF_ONE_INDEX,
  'an index and its child': { pushers: ['index', 'child'], retries: 0 },
}

const isLong = process.env.MODEL === 'long'

describe('no manifest that was acknowledged is removed', () => {
  test.each(Object.entries(isLong ? { ...SMALL, ...LARGE } : SMALL))(
    '%s',
    (_, options) => {
      const { states, loss } = checkRemovalModel({ maxStates: 8_000_000, ...options })
      expect(loss).toBeUndefined()
      expect(states).toBeGreaterThan(400)
    },
    1_800_000,
  )
})

describe('a model in which something is left out loses', () => {
  const mutations: readonly (readonly [RemovalMutation, RemovalModelOptions])[] = [
    ['nobody looks after the tag', {}],
    ['nothing is read again after condemning', {}],
    ['no fence', {}],
    ['a push takes nothing off the list', {}],
    ['a push does not wait for a removal', {}],
    ['children go together with their index', {}],
    ['a push asks for itself only', { standing: 2 }],
    ['a push asks for nothing before it tags', { pushers: ['child'] }],
    ['a push looks for itself only after its tag', { ...TWO_OF_ONE_INDEX, collectors: 1 }],
    ['a successor leaves what was condemned', {}],
    ['condemning is not bound to the tenure', {}],
    ['a removal that was taken over does not count', {}],
    ['a removal that is over is not asked for', { pushers: ['child'] }],
  ]
  test.each(mutations)('%s', (mutation, options) => {
    const { loss } = checkRemovalModel({ ...options, mutation })
    expect(loss).toBeDefined()
  })
})
