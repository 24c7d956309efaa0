import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { KeyFile, publicKeySet } from './key-file.ts'

const HOUR = 60 * 60 * 1000
const log = { debug() {}, info() {}, warn() {}, error() {} }

async function openIn(folder: string) {
  const path = join(folder, 'keys.json')
  return KeyFile.open({ path, rotationMs: 24 * HOUR, keepMs: 48 * HOUR, log, onChange() {} })
}

const later = (hours: number) => new Date(Date.now() + hours * HOUR)

test('a key that is old is followed by a new one, and stays while tokens of it may be about', async () => {
  await using folder = await temporaryFolder()
  const keys = await openIn(folder.path)
  try {
    const first = keys.current.id
    await keys.rotateIfDue(later(23))
    expect(keys.current.id).toBe(first)
    await keys.rotateIfDue(later(25))
    const second = keys.current.id
    expect(second).not.toBe(first)
    expect(keys.all.map(({ id }) => id)).toEqual([second, first])
    await keys.rotateIfDue(later(50))
    expect(keys.all.map(({ id }) => id)).toContain(first)
    await keys.rotateIfDue(later(75))
    expect(keys.all.map(({ id }) => id)).not.toContain(first)
    expect(keys.all.map(({ id }) => id)).toContain(second)
  } finally {
    keys.close()
  }
})

test('a replica finds the key that another has only just made, and both make one between them', async () => {
  await using folder = await temporaryFolder()
  const [one, other] = await Promise.all([openIn(folder.path), openIn(folder.path)])
  try {
    expect(one.current.id).toBe(other.current.id)
    await Promise.all([one.rotateIfDue(later(25)), other.rotateIfDue(later(25))])
    const stored = JSON.parse(await readFile(join(folder.path, 'keys.json'), 'utf8')).keys
    expect(stored).toHaveLength(2)
    await one.rotateIfDue(later(51))
    expect((await other.find(one.current.id))?.id).toBe(one.current.id)
    expect(await other.find('unknown')).toBeUndefined()
    expect(await readdir(folder.path)).toEqual(['keys.json'])
  } finally {
    one.close()
    other.close()
  }
})

test('what is published has no private part', async () => {
  await using folder = await temporaryFolder()
  const keys = await openIn(folder.path)
  keys.close()
  expect(publicKeySet(keys.all)).toEqual({
    keys: [
      {
        kty: 'EC',
        crv: 'P-256',
        x: expect.any(String),
        y: expect.any(String),
        kid: keys.current.id,
        alg: 'ES256',
        use: 'sig',
      },
    ],
  })
})
