import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { readSigningKey } from './signing-key.ts'

const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const { privateKey: ed25519 } = generateKeyPairSync('ed25519')

test.each(['pkcs1', 'pkcs8'] as const)('an RSA key is read from %s', async (type) => {
  const pem = rsa.export({ type, format: 'pem' }) as string
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'key.pem')
  await writeFile(path, pem)
  expect(await readSigningKey(path)).toBe(pem)
})

test.each([
  ['another kind of key', ed25519.export({ type: 'pkcs8', format: 'pem' }), 'ed25519'],
  [
    'a key with a password',
    rsa.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }),
    'no RSA key in PEM',
  ],
  ['something else', 'hello', 'no RSA key in PEM'],
])('%s is refused', async (_what, content, why) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'key.pem')
  await writeFile(path, content)
  await expect(readSigningKey(path)).rejects.toThrow(why)
})

test('a file that is missing is named', async () => {
  await expect(readSigningKey('/nowhere/key.pem')).rejects.toThrow('/nowhere/key.pem cannot be read: ENOENT')
})
