/** The cost of unknown chains: no signature is verified with a key without a trusted certificate. */
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { afterEach, expect, test, vi } from 'vitest'
import { certificateOf } from '../../../test/support/raw-certificate.ts'
import { isTrusted } from './certificate-chain.ts'

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const made = (parts: Parameters<typeof certificateOf>[0]) =>
  new X509Certificate(certificateOf({ isAuthority: true, ...parts }))

const rootKey = newKey()
const root = made({ subject: 'x', key: rootKey, issuer: 'x', issuerKey: rootKey })

function verifications() {
  return vi.spyOn(X509Certificate.prototype, 'verify')
}
afterEach(() => {
  vi.restoreAllMocks()
})

test('a chain of strangers with the name of the root is given up after a few looks at the root’s key', () => {
  const strangers = Array.from({ length: 10 }, () => {
    const key = newKey()
    return made({ subject: 'x', key, issuer: 'x', issuerKey: key })
  })
  const verified = verifications()
  expect(isTrusted(strangers, [root])).toBe(false)
  expect(verified.mock.calls.length).toBeLessThanOrEqual(4)
  for (const [key] of verified.mock.calls) expect(key.equals(root.publicKey)).toBe(true)
})

test('a chain that leads to no root is not verified at all', () => {
  let issuerKey = newKey()
  const chain: X509Certificate[] = []
  for (let level = 0; level < 10; level++) {
    const key = newKey()
    chain.unshift(made({ subject: `level ${level}`, key, issuer: `level ${level - 1}`, issuerKey }))
    issuerKey = key
  }
  const verified = verifications()
  expect(isTrusted(chain, [root])).toBe(false)
  expect(verified).not.toHaveBeenCalled()
})

test('a chain of several authorities is followed from the root, in whatever order it comes', () => {
  const link = (subject: string, key: KeyObject, [issuer, issuerKey]: [string, KeyObject]) =>
    made({ subject, key, issuer, issuerKey })
  const keys = [newKey(), newKey(), newKey()] as const
  const chain = [
    link('leaf', keys[2], ['two', keys[1]]),
    link('one', keys[0], ['x', rootKey]),
    link('two', keys[1], ['one', keys[0]]),
  ]
  const verified = verifications()
  expect(isTrusted(chain, [root])).toBe(true)
  expect(verified).toHaveBeenCalledTimes(3)
  expect(isTrusted([chain[0]!, chain[2]!], [root])).toBe(false)
})
