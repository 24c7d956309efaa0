import { expect, test } from 'vitest'
import { EVERYBODY, type Identity } from '../core/access/access-controller.ts'
import { type Authentication, CredentialCache } from './credential-cache.ts'

const identity: Identity = { ...EVERYBODY, kind: 'user', name: 'alice' }

/** A proof that counts its calls. */
function proof(expiresAt: () => number = () => Date.now() + 60_000) {
  const counted = {
    asked: 0,
    prove: async (): Promise<Authentication> => ({ identity, expiresAt: expiresAt() }),
  }
  return {
    counted,
    prove: () => {
      counted.asked += 1
      return counted.prove()
    },
  }
}

test('who was proved a moment ago is known at once, without a promise', async () => {
  const credentialCache = new CredentialCache()
  const { counted, prove } = proof()
  expect(await credentialCache.identify('Basic a', prove)).toBe(identity)
  expect(credentialCache.get('Basic a')).toBe(identity)
  expect(counted.asked).toBe(1)
  await credentialCache.identify('Basic b', prove)
  expect(counted.asked).toBe(2)
})

test('a proof counts until its end and no longer', async () => {
  const credentialCache = new CredentialCache()
  const { counted, prove } = proof(() => Date.now())
  await credentialCache.identify('Basic a', prove)
  await credentialCache.identify('Basic a', prove)
  expect(counted.asked).toBe(2)
})

test('those who come at once are proved once', async () => {
  const credentialCache = new CredentialCache()
  const { counted, prove } = proof()
  await Promise.all(Array.from({ length: 5 }, () => credentialCache.identify('Basic a', prove)))
  expect(counted.asked).toBe(1)
})

test('a failure is not remembered', async () => {
  const credentialCache = new CredentialCache()
  const { counted, prove } = proof()
  const failing = () => Promise.reject(new Error('wrong'))
  await expect(credentialCache.identify('Basic a', failing)).rejects.toThrow('wrong')
  expect(await credentialCache.identify('Basic a', prove)).toBe(identity)
  expect(counted.asked).toBe(1)
})

test('what was proved, or is being proved, before everything changed is proved again', async () => {
  const credentialCache = new CredentialCache()
  const { counted, prove } = proof()
  await credentialCache.identify('Basic a', prove)
  const running = credentialCache.identify('Basic b', prove)
  credentialCache.forgetAll()
  await running
  await credentialCache.identify('Basic a', prove)
  await credentialCache.identify('Basic b', prove)
  expect(counted.asked).toBe(4)
})
