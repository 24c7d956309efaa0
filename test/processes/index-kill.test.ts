/** The index of a registry that is killed while it is filled, and of one whose folder was restored from a backup. */
import { cp, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeCatalog } from '../../bench/seed-catalog.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { pushTag } from '../contract/catalog-index/catalog-index.ts'
import { silent } from '../support/catalog-index.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

/** More tags than are written together. */
const CATALOG = { repositories: 130, tags: 100, images: 20 }
const KILLS = 3
const PATIENCE = { timeout: 120_000, interval: 50 }

let folder: TemporaryFolder
let dataFolder: string
beforeEach(async () => {
  folder = await temporaryFolder({ inMemory: true })
  dataFolder = join(folder.path, 'data')
})
afterEach(() => folder.remove())

const start = () =>
  startEntrepot({
    ...{ dataFolder, configFolder: folder.path },
    config: { index: { path: join(folder.path, 'index.sqlite'), sweep: '1s' } },
  })

/** Writes to the folder as another process does. */
async function push(...references: string[]): Promise<void> {
  const driver = new FilesystemDriver({ root: dataFolder })
  const registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  for (const reference of references) await pushTag(registry, reference, reference)
  await registry.close()
}

interface Answer {
  readonly tags: { repository: string; name: string; digest: string }[]
  readonly next: string | null
  readonly index: { complete: boolean }
}

async function ask({ url }: ServerProcess, query: string): Promise<Answer> {
  const answer = await fetch(`${url}/v2/_entrepot/catalog/tags?${query}`)
  expect(answer.status).toBe(200)
  return (await answer.json()) as Answer
}

/** All tags by the index, in order of their names. */
async function tagsOf(server: ServerProcess): Promise<string[]> {
  const found: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { tags, next }: Answer = await ask(server, `sort=name&n=200&cursor=${cursor}`)
    found.push(...tags.map(({ repository, name }) => `${repository}:${name}`))
    cursor = next
  }
  return found.sort()
}

test('an index that was killed while it was filled is complete after the next start', async () => {
  makeCatalog(dataFolder, CATALOG)
  const late: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const server = await start()
    // It has begun, and most often not ended.
    await expect.poll(async () => (await ask(server, 'n=1')).tags.length, PATIENCE).toBe(1)
    await server.kill()
    await push(`late/app-${kill}:v1`)
    late.push(`late/app-${kill}:v1`)
  }
  await using server = await start()
  await expect.poll(async () => (await ask(server, 'n=1')).index.complete, PATIENCE).toBe(true)
  await expect
    .poll(async () => (await tagsOf(server)).filter((tag) => tag.startsWith('late/')), PATIENCE)
    .toEqual(late)
  const tags = (await tagsOf(server)).filter((tag) => !late.includes(tag))
  expect(tags.length).toBe(CATALOG.repositories * CATALOG.tags)
  expect(new Set(tags.map((tag) => tag.split(':')[0])).size).toBe(CATALOG.repositories)
})

test('a folder that was restored from last week: the index forgets what came later', async () => {
  await push('a:v1', 'a:v2', 'kept:v1')
  const backup = join(folder.path, 'backup')
  await cp(dataFolder, backup, { recursive: true, preserveTimestamps: true })
  await push('a:v3', 'later:v1')
  {
    await using server = await start()
    await expect.poll(() => tagsOf(server), PATIENCE).toEqual(['a:v1', 'a:v2', 'a:v3', 'kept:v1', 'later:v1'])
    await server.stop()
  }
  await rename(dataFolder, join(folder.path, 'gone'))
  await rename(backup, dataFolder)
  await using server = await start()
  await expect.poll(() => tagsOf(server), PATIENCE).toEqual(['a:v1', 'a:v2', 'kept:v1'])
})
