/** The recipe of docs/lifecycle.md in which retention, the history and the collector work together. */
import { readFileSync } from 'node:fs'
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { deletionsFolder } from '../../src/lifecycle/paths.ts'
import { Retention } from '../../src/lifecycle/retention/retention.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { tagsOf } from '../contract/registry/support.ts'
import { imageOf, isThere, push } from '../gc/untagged-images.ts'
import type { HttpRegistry } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ageTag, DAY_MS } from './aged-tags.ts'
import { collectWithHistory, configOf, historyParts, startWithHistory } from './history-under-test.ts'

const NAME = 'team/app'
const name = parseRepositoryName(NAME)

const page = readFileSync(new URL('../../docs/lifecycle.md', import.meta.url), 'utf8')
const [, text = ''] = /nothing untagged for longer than a week:\n\n```yaml\n([\s\S]*?)```/.exec(page) ?? []
const recipe = parse(text)

/** Makes all deletions as old as this. */
async function ageDeletions(root: string, ageMs: number): Promise<void> {
  const folder = join(root, deletionsFolder(name))
  const time = new Date(Date.now() - ageMs)
  for (const file of await readdir(folder)) await utimes(join(folder, file), time, time)
}

const builds = Array.from({ length: 12 }, (_, index) => imageOf(`build ${index}`))
const standing = (registry: HttpRegistry) =>
  Promise.all(builds.map((build) => isThere(registry, NAME, build)))

test('recipe: the last ten of each branch, releases for ever, nothing untagged for longer than a week', async () => {
  expect(recipe.storage.maintenance.gc).toEqual({ enabled: true, untagged: true })
  await using folder = await temporaryFolder()
  const driver = await FilesystemDriver.open({ root: folder.path })
  const policies = JSON.stringify(recipe.policies)
  const parts = historyParts(policies)
  await using registry = await startWithHistory({ driver, options: parts })
  const release = imageOf('release')
  await push(registry, NAME, { manifest: release, reference: 'v1' })
  await ageTag(folder.path, `${NAME}:v1`, 900 * DAY_MS)
  for (const [index, manifest] of builds.entries()) {
    await push(registry, NAME, { manifest, reference: `main-${index}` })
    await ageTag(folder.path, `${NAME}:main-${index}`, index * DAY_MS)
  }
  const { rules } = configOf(policies).policies.retention
  const retention = new Retention({ registry: parts.decorate(registry.registry), rules, immutable: [] })
  for await (const step of retention.steps()) await step.run()
  const newest = Array.from({ length: 10 }, (_, index) => `main-${index}`)
  expect(await tagsOf(registry.registry.repository(name))).toEqual([...newest, 'v1'])
  await ageDeletions(folder.path, 6 * DAY_MS)
  await collectWithHistory(registry)
  expect(await standing(registry)).toEqual(builds.map(() => true))
  await ageDeletions(folder.path, 8 * DAY_MS)
  await collectWithHistory(registry)
  expect(await standing(registry)).toEqual(builds.map((_, index) => index < 10))
  expect(await isThere(registry, NAME, release)).toBe(true)
})
