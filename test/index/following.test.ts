/** How the index follows changes that come together. */
import { expect, test } from 'vitest'
import { newIndexFigures } from '../../src/core/catalog/index-figures.ts'
import { StorageError } from '../../src/core/errors.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushTag } from '../contract/catalog-index/catalog-index.ts'
import { allRepositories, allTags, IndexUnderTest, silent, sqlite } from '../support/catalog-index.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'

const HOUR_MS = 3_600_000
const PATIENCE = { timeout: 30_000 }

async function startOver(driver: FaultyDriver, figures = newIndexFigures()): Promise<IndexUnderTest> {
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  const indexed = new IndexUnderTest(stored, sqlite(), { sweepMs: HOUR_MS, figures })
  indexed.feeder.start()
  await expect.poll(() => indexed.index.state(), PATIENCE).toMatchObject({ isComplete: true })
  return indexed
}

const namesIn = async ({ index }: IndexUnderTest) =>
  (await index.tags({ ...allTags, count: 1_000 })).entries
    .map(({ repository, name }) => `${repository}:${name}`)
    .sort()

test('tags of more repositories than are looked at together', async () => {
  await using indexed = await startOver(new FaultyDriver(new MemoryDriver()))
  const names = Array.from({ length: 250 }, (_, number) => `app-${number}:v1`)
  for (const name of names) await pushTag(indexed.registry, name)
  await expect.poll(() => namesIn(indexed), PATIENCE).toEqual([...names].sort())
})

test('what is said of repositories follows with their tags', async () => {
  await using indexed = await startOver(new FaultyDriver(new MemoryDriver()))
  for (const name of ['a:v1', 'b:v1', 'a:v2']) await pushTag(indexed.registry, name)
  const said = async () =>
    (await indexed.index.repositories(allRepositories)).entries.map((one) => [
      ...[one.name, one.tags, one.newestTag],
      ...[one.pushedAt instanceof Date, (one.size ?? 0) > 0],
    ])
  await expect.poll(said, PATIENCE).toEqual([
    ['a', 2, 'v2', true, true],
    ['b', 1, 'v1', true, true],
  ])
})

test('a repository that cannot be read holds back no other', async () => {
  const storage = new MemoryDriver()
  const driver = new FaultyDriver(storage, ({ path }) =>
    path.includes('/repositories/b/_manifests/tags')
      ? new StorageError('BACKEND_FAILED', { path })
      : undefined,
  )
  const figures = newIndexFigures()
  const since = Date.now() / 1000
  await using indexed = await startOver(driver, figures)
  const written = new StoredRegistry({ driver: storage, policy: DEFAULT_POLICY, log: silent })
  for (const name of ['a', 'b', 'c']) await pushTag(written, `${name}:v1`)
  for (const name of ['a', 'b', 'c']) indexed.feeder.changed(parseRepositoryName(name), [parseTag('v1')])
  await expect.poll(() => namesIn(indexed), PATIENCE).toEqual(['a:v1', 'c:v1'])
  expect(figures).toMatchObject({ sweeps: 1, failures: expect.toSatisfy((count: number) => count > 0) })
  expect(figures.lastSweepAt).toBeGreaterThanOrEqual(since)
  driver.fault = () => undefined
  await expect.poll(() => namesIn(indexed), PATIENCE).toEqual(['a:v1', 'b:v1', 'c:v1'])
})
