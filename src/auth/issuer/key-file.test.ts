import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { checkKeyFile, KeyFile, publicKeySet } from './key-file.ts'

const HOUR = 60 * 60 * 1000
const log = { debug() {}, info() {}, warn() {}, error() {} }

async function openIn(folder: string) {
  const path = join(folder, 'keys.json')
  return KeyFile.open({ path, rotationMs: 24 * HOUR, keepMs: 48 * HOUR, log, onChange() {} })
}

const start = Date.now()

/** Sets the clock to a later time. */
function setClock(hours: number): void {
  vi.setSystemTime(start + hours * HOUR)
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: start })
})
afterEach(() => {
  vi.useRealTimers()
})

test('the folder of the file is made, for its owner only', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'one/two')
  const keys = await openIn(path)
  keys.close()
  expect(await readdir(path)).toEqual(['keys.json'])
  expect((await stat(path)).mode & 0o777).toBe(0o700)
  await checkKeyFile(join(path, 'keys.json'))
})

test('a look whether a file can be used changes nothing', async () => {
  await using folder = await temporaryFolder()
  await checkKeyFile(join(folder.path, 'one/two/keys.json'))
  expect(await readdir(folder.path)).toEqual([])
  await writeFile(join(folder.path, 'keys.json'), '[]')
  await expect(checkKeyFile(join(folder.path, 'keys.json'))).rejects.toThrow(
    /^auth\.issuer\.keys: .*no key set/,
  )
  await expect(checkKeyFile(join(folder.path, 'keys.json/keys.json'))).rejects.toThrow('ENOTDIR')
})

test('a key that is old is followed by a new one, and stays while tokens of it may be about', async () => {
  await using folder = await temporaryFolder()
  const keys = await openIn(folder.path)
  try {
    const first = keys.current.id
    setClock(23)
    await keys.rotateIfDue()
    expect(keys.current.id).toBe(first)
    setClock(25)
    await keys.rotateIfDue()
    const second = keys.current.id
    expect(second).not.toBe(first)
    expect(keys.all.map(({ id }) => id)).toEqual([second, first])
    setClock(50)
    await keys.rotateIfDue()
    expect(keys.all.map(({ id }) => id)).toContain(first)
    setClock(75)
    await keys.rotateIfDue()
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
    setClock(25)
    await Promise.all([one.rotateIfDue(), other.rotateIfDue()])
    const stored = JSON.parse(await readFile(join(folder.path, 'keys.json'), 'utf8')).keys
    expect(stored).toHaveLength(2)
    setClock(51)
    await one.rotateIfDue()
    expect((await other.find(one.current.id))?.id).toBe(one.current.id)
    expect(await other.find('unknown')).toBeUndefined()
    expect(await readdir(folder.path)).toEqual(['keys.json'])
  } finally {
    one.close()
    other.close()
  }
})

test.each([
  ['emptied', (path: string) => writeFile(path, '')],
  ['without a key', (path: string) => writeFile(path, '{"keys":[]}')],
  ['cut off', (path: string) => writeFile(path, '{"keys":[{')],
  ['removed', (path: string) => rm(path)],
])(
  'a file that is %s while it serves changes nothing, and gets its keys back with the next',
  async (how, harm) => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'keys.json')
    const keys = await openIn(folder.path)
    try {
      const { id } = keys.current
      await harm(path)
      expect(await keys.find('unknown')).toBeUndefined()
      expect(keys.current.id).toBe(id)
      setClock(25)
      const rotated = keys.rotateIfDue()
      if (how === 'cut off') {
        await expect(rotated).rejects.toThrow('JSON')
        expect(keys.current.id).toBe(id)
        return
      }
      await rotated
      const stored = JSON.parse(await readFile(path, 'utf8')).keys as { kid: string }[]
      expect(stored.map(({ kid }) => kid)).toEqual([expect.not.stringMatching(id), id])
    } finally {
      keys.close()
    }
  },
)

test('a clock that was ahead once takes no key away, and its key is not waited for', async () => {
  await using folder = await temporaryFolder()
  const keys = await openIn(folder.path)
  try {
    const first = keys.current.id
    setClock(800 * 24)
    await keys.rotateIfDue()
    expect(keys.all.map(({ id }) => id)).toContain(first)
    setClock(0)
    expect(keys.current.id).toBe(first)
    setClock(25)
    await keys.rotateIfDue()
    expect(keys.all).toHaveLength(3)
    expect(keys.all.map(({ id }) => id)).toContain(first)
  } finally {
    keys.close()
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
