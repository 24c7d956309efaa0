/** Two replicas with an index each, over one folder and without Redis: what one changes, the other finds on storage. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import {
  type AnnouncementTiming,
  StorageAnnouncements,
} from '../../src/index/feeding/storage-announcements.ts'
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

interface Options extends Partial<AnnouncementTiming> {
  readonly publishes?: boolean
}

/** A replica that has seen all of storage, and sweeps no more by itself. */
async function start({ publishes = true, ...timing }: Options = {}): Promise<IndexUnderTest> {
  const driver = new FilesystemDriver({ root: folder.path })
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  const announcements = new StorageAnnouncements({
    ...{ storage: stored.storage, publishes, timing: { gatherMs: 100, ...timing } },
    ...{ pollMs: 20, listens: true, log: silent },
  })
  const replica = new IndexUnderTest(stored, sqlite(), { sweepMs: HOUR_MS, announcements })
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

test('one file grows, and what was added to it is heard once', async () => {
  const storage = new FilesystemDriver({ root: folder.path })
  const timing = { gatherMs: 0, lookMs: HOUR_MS, keptMs: 2 * HOUR_MS }
  const open = () =>
    new StorageAnnouncements({ storage, timing, pollMs: 0, listens: true, publishes: true, log: silent })
  const [one, other] = [open(), open()]
  disposables.push(
    { [Symbol.asyncDispose]: () => one.close() },
    { [Symbol.asyncDispose]: () => other.close() },
  )
  const heard: string[] = []
  other.subscribe(
    (repository, tags) => heard.push(`${repository}:${tags}`),
    () => heard.push('missed'),
  )
  const names: string[] = []
  for (const tag of ['v1', 'v2', 'v3']) {
    one.publish(parseRepositoryName('a'), [parseTag(tag)])
    await expect.poll(() => other.catchUp(), PATIENCE).toBe(true)
    await expect.poll(files, PATIENCE).toHaveLength(1)
    names.push(...(await files()))
  }
  expect(heard).toEqual(['a:v1', 'a:v2', 'a:v3'])
  expect(names.map((name) => name.slice(36))).toEqual(['-1-1', '-1-2', '-1-3'])
  for (let index = 0; index < 300; index++) one.publish(parseRepositoryName(`many-${index}`), [])
  const heardNow = async () => {
    await other.catchUp()
    return heard.length
  }
  await expect.poll(heardNow, PATIENCE).toBe(303)
  await expect.poll(files, PATIENCE).toHaveLength(2)
})

test('questions at the same time are one look, and none if one was just now', async () => {
  const driver = new FilesystemDriver({ root: folder.path })
  let looks = 0
  const storage = {
    get: (path: string) => driver.get(path),
    put: () => Promise.reject(new Error('nothing is to be announced')),
    delete: () => Promise.reject(new Error('nothing is to be removed')),
    list: (path: string) => {
      looks++
      return driver.list(path)
    },
  }
  const open = (pollMs: number) =>
    new StorageAnnouncements({ storage, pollMs, listens: true, publishes: true, log: silent })
  expect(open(HOUR_MS).catchUp()).toBeUndefined()
  const one = open(0)
  await Promise.all(Array.from({ length: 50 }, () => one.catchUp()))
  expect(looks).toBe(1)
})

test('who has not looked for so long that changes were removed says that some were missed', async () => {
  const storage = new FilesystemDriver({ root: folder.path })
  const timing = { keptMs: HOUR_MS, lookMs: HOUR_MS }
  const one = new StorageAnnouncements({
    ...{ storage, timing, pollMs: 0, listens: true, publishes: true, log: silent },
  })
  disposables.push({ [Symbol.asyncDispose]: () => one.close() })
  let missed = 0
  one.subscribe(
    () => {},
    () => missed++,
  )
  expect(await one.catchUp()).toBe(false)
  expect(missed).toBe(1)
})

test('its files are removed when all have seen them', async () => {
  const one = await start({ lookMs: 20, keptMs: 300 })
  await pushTag(one.registry, 'a:v1')
  await expect.poll(files, PATIENCE).toHaveLength(1)
  await expect.poll(files, PATIENCE).toEqual([])
})

test('files of a process that has ended are removed by whoever sees them', async () => {
  await start({ lookMs: 20, abandonedMs: 300 })
  await mkdir(join(folder.path, FOLDER), { recursive: true })
  await writeFile(join(folder.path, FOLDER, `${crypto.randomUUID()}-1-1`), '[["a",null]]')
  await expect.poll(files, PATIENCE).toEqual([])
})

test('what a replica has not announced yet is announced when it stops', async () => {
  const [one, other] = [await start(), await start()]
  await pushTag(one.registry, 'a:last')
  await one.feeder.stop()
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:last'])
})

test('a replica that stops removes what all have seen', async () => {
  const one = await start({ lookMs: 0 })
  await pushTag(one.registry, 'a:v1')
  await expect.poll(files, PATIENCE).toHaveLength(1)
  await one.feeder.stop()
  expect(await files()).toEqual([])
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
    await writeFile(join(folder.path, FOLDER, `${crypto.randomUUID()}-${index}-1`), content)
  await pushTag(one.registry, 'a:v2')
  await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:v1', 'a:v2'])
})
