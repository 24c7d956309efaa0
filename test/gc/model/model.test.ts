import { describe, expect, test } from 'vitest'
import { checkModel, type ModelOptions, type Mutation } from './collection-model.ts'

const twice = [[0], [0]]
const imageOfTwo = { manifests: [[0, 1]], blobs: 3, batchSize: 1 }
const indexAndChild = { manifests: [[0], [0, 1]], pushers: [[0, 1]] }

/** In some thousands of states each. */
const SMALL: Readonly<Record<string, ModelOptions>> = {
  'one pusher, two collectors, a user who deletes': { retries: 1 },
  'two pushers of one image, two collections': {
    pushers: twice,
    retries: 1,
    collectors: 1,
    runs: 2,
    deletes: 0,
  },
  'facts from a cache, two collectors': { isCached: true, retries: 1, deletes: 0 },
  'a registry ends a batch, two collectors': { isEnded: true, retries: 1, deletes: 0 },
  'two blobs in two batches, two collections': { ...imageOfTwo, retries: 1, collectors: 1, runs: 2 },
  'an index and its child, two collections': { ...indexAndChild, retries: 1, collectors: 1, runs: 2 },
  'a pusher that takes no part, beside one that does, with quarantine': {
    ...{ isCoexisting: true, isCached: true, plainPushers: [0] },
    ...{ retries: 1, collectors: 1, runs: 2, deletes: 1 },
  },
}

/** In some millions. */
const LARGE: Readonly<Record<string, ModelOptions>> = {
  'one pusher, two collectors, who collect twice': { runs: 2 },
  'facts from a cache, two collections': { isCached: true, runs: 2 },
  'two pushers of one image, two collectors': { pushers: twice, retries: 1 },
  'two repositories, two collectors': { manifests: [[0], [0, 1]], pushers: [[0], [1]], blobs: 3, retries: 0 },
  'two blobs in two batches, two collectors': { ...imageOfTwo, retries: 1 },
  'an index and its child, two collectors': { ...indexAndChild, retries: 0 },
  'pushers that take no part, two collectors, with quarantine': {
    ...{ isCoexisting: true, isCached: true, plainPushers: [0, 0], retries: 0, deletes: 1 },
  },
  'two blobs, one pusher takes no part, with quarantine': {
    ...{ ...imageOfTwo, isCoexisting: true, isCached: true, plainPushers: [0] },
    ...{ retries: 0, collectors: 1, runs: 2, deletes: 0 },
  },
  'a registry ends a batch, facts from a cache': { isEnded: true, isCached: true, runs: 2, retries: 1 },
  'a registry ends one of two batches': { ...imageOfTwo, isEnded: true, retries: 1, deletes: 0 },
  'three collectors': { collectors: 3, retries: 1, deletes: 0 },
}

const isLong = process.env.MODEL === 'long'

describe('nothing that was acknowledged is lost', () => {
  test.each(Object.entries(isLong ? { ...SMALL, ...LARGE } : SMALL))(
    '%s',
    (_, options) => {
      const { states, loss } = checkModel({ maxStates: 8_000_000, ...options })
      expect(loss).toBeUndefined()
      expect(states).toBeGreaterThan(5_000)
    },
    1_800_000,
  )
})

describe('a model in which something is left out loses', () => {
  const cached = { isCached: true }
  const coexisting = { isCached: true, isCoexisting: true, pushers: [], plainPushers: [0], collectors: 1 }
  const mutations: readonly (readonly [Mutation, ModelOptions])[] = [
    ['the state is not read again after the pin', {}],
    ['pins are listed before sealing', {}],
    ['no fence', {}],
    ['a fence by version', {}],
    ['no look at the end', {}],
    ['cached facts without the counter', cached],
    ['no second mark', {}],
    ['the second mark comes before the lists', {}],
    ['a batch counts once it is over, not when it is taken over', cached],
    ['a refused push takes its revision back', { pushers: twice, collectors: 1, deletes: 0 }],
    ['lists that are gone condemn nothing', cached],
    ['the state is read before the revision is written', {}],
    ['a push does not wait for a batch', {}],
    ['a batch begins before the fence of the last one is closed', { ...imageOfTwo, collectors: 1 }],
    ['a batch that a registry ends does not count', { ...cached, isEnded: true, collectors: 1 }],
    ['a registry ends a batch without closing its fence', { isEnded: true, collectors: 1 }],
    [
      'the last manifest is an index of the first, which is all it looks for',
      { ...indexAndChild, pushers: [[0], [1]], blobs: 3, retries: 0, collectors: 1 },
    ],
    ['a blob is put back by moving it', coexisting],
    ['the quarantine is emptied at the end', coexisting],
    ['a blob is deleted before it is copied', coexisting],
  ]
  test.each(mutations)('%s', (mutation, options) => {
    const { loss } = checkModel({ retries: 1, deletes: 0, ...options, mutation })
    expect(loss?.at(-1)).toMatch(/deletion of 1 lands|looks|201|ends/)
    expect(loss?.some((step) => step.includes('201'))).toBe(true)
  })
})
