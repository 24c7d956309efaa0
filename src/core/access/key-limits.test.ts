import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { isAffordableKey } from './key-limits.ts'

function rsa(bits: number, exponent: bigint) {
  const modulus = randomBytes(bits / 8)
  modulus[0] = 0xff
  modulus[modulus.length - 1] = 0xff
  const e = Buffer.from(exponent.toString(16).padStart(16, '0'), 'hex').toString('base64url')
  return createPublicKey({ key: { kty: 'RSA', n: modulus.toString('base64url'), e }, format: 'jwk' })
}

test.each([
  ['RSA of 4096 bits', rsa(4096, 65_537n), true],
  ['RSA of 8192 bits', rsa(8192, 65_537n), false],
  ['RSA with a long exponent', rsa(2048, 2n ** 40n + 1n), false],
  ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, true],
  ['Ed25519', generateKeyPairSync('ed25519').publicKey, true],
  ['a curve of another kind', generateKeyPairSync('ec', { namedCurve: 'sect571k1' }).publicKey, false],
  ['Ed448', generateKeyPairSync('ed448').publicKey, false],
])('%s is affordable: %s', (_, key, expected) => {
  expect(isAffordableKey(key)).toBe(expected)
})
