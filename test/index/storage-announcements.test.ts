/** Two replicas with an index each, over one folder and without Redis: what one changes, the other finds on storage. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { StorageAnnouncements } from '../../src/index/feeding/storage-announcements.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { pushTag } from '../contract/catalog-index/catalog-index.ts'
import { allTags, IndexUnderTest, silent, sqlite } from '../support/catalog-index.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const HOUR_MS = 3_600_000
/** Long: only that it happens at all without a sweep is told here. */
const PATIENCE = { timeout: 30_000 }
const FOLDER = 'docker/registry/v2/maintenance/index-changes'

let folder: TemporaryFolder
const disposables: AsyncDisposable[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const one of disposables.splice(0).reverse()) await one[Symbol.asyncDispose]()
  await folder.remove()
})

/** A replica that has seen all of storage, and sweeps no more by itself. */
async function start({ publishes = true, lifetimeMs = HOUR_MS } = {}): Promise<IndexUnderTest> {
  const driver = new FilesystemDriver({ root: folder.path })
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  const announcements = new StorageAnnouncements({
    ...{ storage: stored.storage, publishes, lifetimeMs },
    ...{ pollMs: 20, listens: true, log: silent },
  })
  const replica = new IndexUnderTest(stored, await sqlite(), { sweepMs: HOUR_MS, announcements })
  disposables.push({ [Symbol.asyncDispose]: () => stored.close() }, replica)
  replica.feeder.start()
  await expect.poll(() => replica.index.state(), PATIENCE).toMatchObject({ isComplete: true })
  return replica
}

const tagsOf = async ({ index }: IndexUnderTest) =>
  (await index.tags(allTags)).entries.map(({ repository, name }) => `${repository}:${name}`).sort()

const files = () => readdir(join(folder.path, FOLDER)).catch(() => [])

test('a tag that one sets, moves or removes is so in the other, without a sweep', async () => {
  const [one, other] = [await start(), await start()]
  await pushTag(one.registry, 'team/a:v1')
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['team/a:v1'])
  const digestOf = async ({ index }: IndexUnderTest) => (await index.tags(allTags)).entries[0]?.digest
  const before = await digestOf(other)
  await pushTag(one.registry, 'team/a:v1', 'moved')
  await expect.poll(() => digestOf(other), PATIENCE).not.toBe(before)
  await one.registry.repository(parseRepositoryName('team/a')).tags.untag(parseTag('v1'))
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual([])
})

test('changes of many repositories are announced together, and each replica hears of the others', async () => {
  const replicas = [await start(), await start(), await start()]
  const names = Array.from({ length: 60 }, (_, index) => `app-${index}:v1`).sort()
  await Promise.all(
    names.map((name, index) => pushTag((replicas[index % 3] as IndexUnderTest).registry, name)),
  )
  for (const replica of replicas) await expect.poll(() => tagsOf(replica), PATIENCE).toEqual(names)
  expect((await files()).length).toBeLessThan(names.length / 2)
})

test('its files are removed after a while, also those of a process that has ended', async () => {
  const one = await start({ lifetimeMs: 300 })
  await pushTag(one.registry, 'a:v1')
  await expect.poll(files, PATIENCE).toHaveLength(1)
  await writeFile(
    join(folder.path, FOLDER, `${Date.now() - HOUR_MS}-${crypto.randomUUID()}-1`),
    '[["a",null]]',
  )
  await expect.poll(files, PATIENCE).toEqual([])
})

test('what a replica has not announced yet is announced when it stops', async () => {
  const [one, other] = [await start(), await start()]
  await pushTag(one.registry, 'a:last')
  await one.feeder.stop()
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:last'])
})

test('a read-only replica follows the others and writes nothing', async () => {
  const [one, other] = [await start(), await start({ publishes: false })]
  await pushTag(other.registry, 'b:v1')
  await pushTag(one.registry, 'a:v1')
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:v1', 'b:v1'])
  expect(await tagsOf(one)).toEqual(['a:v1'])
})

test('a file with anything else does no harm', async () => {
  const [one, other] = [await start(), await start()]
  await pushTag(one.registry, 'a:v1')
  await expect.poll(files, PATIENCE).toHaveLength(1)
  const odd = [
    '',
    'null',
    '{"a":1}',
    '[1,[2],["../x",null],["A",["v1"]],["a",["../v"]]]',
    '[["b",["\\u0000"]]',
    '\u0000',
  ]
  for (const [index, content] of odd.entries())
    await writeFile(join(folder.path, FOLDER, `${Date.now()}-${crypto.randomUUID()}-${index}`), content)
  await pushTag(one.registry, 'a:v2')
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:v1', 'a:v2'])
})
