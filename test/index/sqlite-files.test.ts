/** Files of SQLite's index that can't be used as they are: they are filled again by themselves. */
import { mkdir, open, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { SqliteEngine } from '../../src/index/sqlite/engine.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushTag } from '../contract/catalog-index/catalog-index.ts'
import { allRepositories, allTags, IndexUnderTest, silent, sqlite } from '../support/catalog-index.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const PATIENCE = { timeout: 30_000 }

let folder: TemporaryFolder
let stored: StoredRegistry
let path: string
beforeEach(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, 'index.sqlite')
  stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: silent })
  await pushTag(stored, 'a:v1')
  await pushTag(stored, 'b:v1')
})
afterEach(async () => {
  await stored.close()
  await folder.remove()
})

const namesOf = async ({ index }: IndexUnderTest) =>
  (await index.repositories(allRepositories)).entries.map(({ name }) => name)

/** Fills the index at the path, and closes it. */
async function fill(): Promise<void> {
  await using indexed = new IndexUnderTest(stored, sqlite(path))
  indexed.feeder.start()
  await expect.poll(() => indexed.index.state(), PATIENCE).toMatchObject({ isComplete: true })
}

/** Opens the index at the path, which must come to have everything. */
async function expectFilled(): Promise<void> {
  await using indexed = new IndexUnderTest(stored, sqlite(path))
  indexed.feeder.start()
  await expect.poll(() => namesOf(indexed), PATIENCE).toEqual(['a', 'b'])
}

test('an index that is complete is complete at the next start, before anything is compared', async () => {
  await fill()
  await using indexed = new IndexUnderTest(stored, sqlite(path))
  expect(await indexed.index.state()).toMatchObject({ isComplete: true })
  expect(await namesOf(indexed)).toEqual(['a', 'b'])
})

test('a file that is no database', async () => {
  await writeFile(path, 'something else entirely'.repeat(1_000))
  await expectFilled()
})

test('a file whose pages were overwritten', async () => {
  await fill()
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(size - 4096, 0xff), 0, size - 4096, 4096)
  await file.close()
  await expectFilled()
})

test('a path that cannot be opened until something else has gone', async () => {
  await mkdir(path)
  await using indexed = new IndexUnderTest(stored, sqlite(path))
  indexed.feeder.start()
  for (let question = 0; question < 3; question++)
    await expect(namesOf(indexed)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await rmdir(path)
  const names = () => namesOf(indexed).catch(() => undefined)
  await expect.poll(names, PATIENCE).toEqual(['a', 'b'])
})

test('an index of another version', async () => {
  await fill()
  const database = new DatabaseSync(path)
  database.exec('UPDATE state SET version = version + 1; DROP TABLE tag')
  database.close()
  await expectFilled()
})

test('an index of another storage has nothing of this one', async () => {
  await fill()
  const engine = SqliteEngine.open({ path, source: 'another storage', log: silent })
  await using indexed = new IndexUnderTest(stored, engine)
  expect(await indexed.index.state()).toMatchObject({ isComplete: false })
  expect(await namesOf(indexed)).toEqual([])
})

test('a storage that is restored from a backup: what came later is gone, what was moved is as before', async () => {
  await fill()
  const before = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: silent })
  await pushTag(before, 'a:v1', 'as it was last week')
  await using indexed = new IndexUnderTest(before, sqlite(path))
  indexed.feeder.start()
  await expect.poll(() => namesOf(indexed), PATIENCE).toEqual(['a'])
  const stale = await stored.repository(parseRepositoryName('a')).tags.get(parseTag('v1'))
  const digestOf = async () => {
    const { entries } = await indexed.index.tags({ ...allTags, repository: parseRepositoryName('a') })
    return entries[0]?.digest
  }
  await expect.poll(digestOf, PATIENCE).not.toBe(stale)
})
