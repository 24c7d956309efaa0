import { expect, test } from 'vitest'
import { EVERYBODY, type Identity } from '../core/access-controller.ts'
import { type Proven, RememberedCredentials } from './remembered.ts'

const identity: Identity = { ...EVERYBODY, kind: 'user', name: 'alice' }

/** A proof that counts how often it was asked for. */
function proof(until: () => number = () => Date.now() + 60_000) {
  const counted = { asked: 0, prove: async (): Promise<Proven> => ({ identity, until: until() }) }
  return {
    counted,
    prove: () => {
      counted.asked += 1
      return counted.prove()
    },
  }
}

test('who was proved a moment ago is known at once, without a promise', async () => {
  const remembered = new RememberedCredentials()
  const { counted, prove } = proof()
  expect(await remembered.identify('Basic a', prove)).toBe(identity)
  expect(remembered.get('Basic a')).toBe(identity)
  expect(counted.asked).toBe(1)
  await remembered.identify('Basic b', prove)
  expect(counted.asked).toBe(2)
})

test('a proof counts until its end and no longer', async () => {
  const remembered = new RememberedCredentials()
  const { counted, prove } = proof(() => Date.now())
  await remembered.identify('Basic a', prove)
  await remembered.identify('Basic a', prove)
  expect(counted.asked).toBe(2)
})

test('those who come at once are proved once', async () => {
  const remembered = new RememberedCredentials()
  const { counted, prove } = proof()
  await Promise.all(Array.from({ length: 5 }, () => remembered.identify('Basic a', prove)))
  expect(counted.asked).toBe(1)
})

test('a failure is not remembered', async () => {
  const remembered = new RememberedCredentials()
  const { counted, prove } = proof()
  const failing = () => Promise.reject(new Error('wrong'))
  await expect(remembered.identify('Basic a', failing)).rejects.toThrow('wrong')
  expect(await remembered.identify('Basic a', prove)).toBe(identity)
  expect(counted.asked).toBe(1)
})

test('what was proved, or is being proved, before everything changed is proved again', async () => {
  const remembered = new RememberedCredentials()
  const { counted, prove } = proof()
  await remembered.identify('Basic a', prove)
  const running = remembered.identify('Basic b', prove)
  remembered.forgetAll()
  await running
  await remembered.identify('Basic a', prove)
  await remembered.identify('Basic b', prove)
  expect(counted.asked).toBe(4)
})
