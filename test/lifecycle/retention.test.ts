/** Retention, by the port, over a folder whose files are as old as a test needs. */
import { readFileSync } from 'node:fs'
import { utimes } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { ImmutableTagsRegistry } from '../../src/lifecycle/immutable/registry.ts'
import { rulesForRetention } from '../../src/lifecycle/immutable/rules.ts'
import { Retention, type TagVerdict } from '../../src/lifecycle/retention/retention.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { pushBlob, pushManifest, tagLink, tagsOf } from '../contract/registry/support.ts'
import { quiet } from '../support/http-registry.ts'
import { imageJson, payloadOf } from '../support/manifest-json.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'
import { ageTag, DAY_MS, tagged } from './aged-tags.ts'

let folder: TemporaryFolder
let driver: FilesystemDriver
let stored: StoredRegistry
let repository: Repository

beforeEach(async () => {
  folder = await temporaryFolder()
  driver = await FilesystemDriver.open({ root: folder.path })
  stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  repository = stored.repository(parseRepositoryName('team/app'))
})
afterEach(async () => {
  await stored.close()
  await folder.remove()
})

function policiesOf(policies: unknown): Config['policies'] {
  const file = JSON.stringify({ version: 0.1, storage: { inmemory: null }, policies })
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => file }).config.policies
}

function retentionOf({ immutable, retention }: Config['policies']): Retention {
  const options = { rules: rulesForRetention(immutable), storage: stored.storage }
  const registry = new ImmutableTagsRegistry(stored, options)
  return new Retention({ registry, rules: retention.rules, immutable })
}

/** Runs the rules.
 *  @param between is called before each removal */
async function run(policies: unknown, between: (tag: string) => Promise<void> = async () => {}) {
  const retention = retentionOf(policiesOf(policies))
  const reasons: Record<string, string> = {}
  const note = ({ entry, action, reason }: TagVerdict) => {
    reasons[entry.tag] = `${action}: ${reason}`
  }
  for await (const step of retention.steps(note)) {
    await between(String(step.intent.tag))
    await step.run()
  }
  return { report: retention.report, reasons }
}

const rulesOf = (...rules: object[]) => ({
  retention: { rules: rules.map((rule) => ({ repositories: ['**'], ...rule })) },
})
const days = (count: number) => `${24 * count}h`

test('keep beats delete, in any order, and what no rule deletes is kept', async () => {
  const ages = { 'main-1': 30, 'main-2': 20, 'main-3': 10, v1: 300, other: 300 }
  const rules = [
    { tags: ['main-*'], delete: { olderthan: days(5) } },
    { tags: ['main-*'], keep: { newest: 1 } },
    { tags: ['main-1'], keep: { always: true } },
  ]
  for (const ordered of [rules, rules.toReversed()]) {
    await tagged(folder.path, repository, ages)
    const { report, reasons } = await run(rulesOf(...ordered))
    expect(reasons).toEqual({
      'main-1': 'keep: main-1 is kept',
      'main-2': 'remove: older than 120h',
      'main-3': 'keep: one of the newest 1 of main-*',
      other: 'keep: no rule deletes it',
      v1: 'keep: no rule deletes it',
    })
    expect(report).toEqual({ repositories: 1, tags: 5, kept: 4, removed: 1, changed: 0 })
    expect(await tagsOf(repository)).toEqual(['main-1', 'main-3', 'other', 'v1'])
  }
})

test('a rule without delete deletes nothing, and repositories that no rule names are not read', async () => {
  await tagged(folder.path, repository, { a: 100, b: 200 })
  expect((await run(rulesOf({ keep: { newest: 1 } }))).report.removed).toBe(0)
  const other = { repositories: ['team'], delete: { olderthan: '0s' } }
  expect((await run(rulesOf(other))).report).toMatchObject({ repositories: 0, tags: 0 })
  expect(await tagsOf(repository)).toEqual(['a', 'b'])
})

test('the newest are counted for each pattern by itself, and ties are kept', async () => {
  await tagged(folder.path, repository, { 'a-1': 3, 'a-2': 2, 'b-1': 5, 'b-2': 4, 'b-3': 9 })
  const same = new Date(Date.now() - DAY_MS)
  for (const tag of ['b-1', 'b-2']) {
    const path = `${folder.path}${tagLink('team/app', tag)}`
    await utimes(path, same, same)
  }
  await run(rulesOf({ tags: ['a-*', 'b-*'], keep: { newest: 1 }, delete: { olderthan: '0s' } }))
  expect(await tagsOf(repository)).toEqual(['a-2', 'b-1', 'b-2'])
})

test('the newest are those that were set last, whatever date their images have', async () => {
  const dates = {
    first: '2030-01-01T00:00:00Z',
    second: '2020-01-01T00:00:00Z',
    third: '1970-01-01T00:00:00Z',
  }
  let age = 3
  for (const [tag, created] of Object.entries(dates)) {
    const config = JSON.stringify({ created, architecture: 'amd64', os: 'linux' })
    const mediaType = 'application/vnd.oci.image.config.v1+json'
    const image = imageJson({
      config: { mediaType, digest: await pushBlob(repository, config), size: config.length },
      layers: [],
    })
    const annotations = { 'org.opencontainers.image.created': created }
    const manifest = parseManifest(payloadOf({ ...image, annotations }))
    await repository.tags.tag(parseTag(tag), await repository.manifests.put(manifest))
    await ageTag(folder.path, `team/app:${tag}`, age-- * DAY_MS)
  }
  await run(rulesOf({ keep: { newest: 1 }, delete: { olderthan: '0s' } }))
  expect(await tagsOf(repository)).toEqual(['third'])
})

test('only the tag goes: other tags of the image and the image itself stay', async () => {
  await tagged(folder.path, repository, { old: 100, new: 1 })
  const digest = await repository.tags.get(parseTag('new'))
  await run(rulesOf({ delete: { olderthan: days(50) } }))
  expect(await tagsOf(repository)).toEqual(['new'])
  expect(await repository.manifests.exists(digest)).toBe(true)
})

test('immutable tags stay, unless all their rules let them expire', async () => {
  await tagged(folder.path, repository, { 'v-1': 100, 'rc-1': 100, 'rc-2': 1, latest: 100 })
  const immutable = [
    { repositories: ['**'], tags: ['v-*', 'rc-*'], expirable: true },
    { repositories: ['**'], tags: ['v-*'] },
  ]
  const { reasons } = await run({ immutable, ...rulesOf({ delete: { olderthan: days(50) } }) })
  expect(reasons['v-1']).toBe('keep: it is immutable')
  expect(await tagsOf(repository)).toEqual(['rc-2', 'v-1'])
})

test('a tag that is set again meanwhile stays, to the same image or another', async () => {
  await tagged(folder.path, repository, { same: 100, moved: 100, gone: 100, stays: 100 })
  const image = (await repository.manifests.get(await repository.tags.get(parseTag('same')))).descriptor
  const other = (await repository.manifests.get(await pushManifest(repository, 'other'))).descriptor
  const { report } = await run(rulesOf({ delete: { olderthan: days(50) } }), async (tag) => {
    if (tag === 'same') await repository.tags.tag(parseTag(tag), image)
    if (tag === 'moved') await repository.tags.tag(parseTag(tag), other)
    if (tag === 'gone') await repository.tags.untag(parseTag(tag))
  })
  expect(report).toMatchObject({ removed: 1, changed: 3 })
  expect(await tagsOf(repository)).toEqual(['moved', 'same'])
  expect(await repository.tags.get(parseTag('moved'))).toBe(other.digest)
})

test('a push that is acknowledged at the very time of the removal stands', async () => {
  const other = (await repository.manifests.get(await pushManifest(repository, 'other'))).descriptor
  const elsewhere = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const pushing = elsewhere.repository(repository.name)
  for (let round = 0; round < 20; round++) {
    await tagged(folder.path, repository, { tag: 100 })
    const image = (await repository.manifests.get(await repository.tags.get(parseTag('tag')))).descriptor
    const pushed = round % 2 === 0 ? other : image
    let push: Promise<void> | undefined
    await run(rulesOf({ delete: { olderthan: days(50) } }), async () => {
      push = pushing.tags.tag(parseTag('tag'), pushed)
    })
    await push
    expect(await repository.tags.get(parseTag('tag'))).toBe(pushed.digest)
  }
})

test('tags that follow an image stay with it, are not counted, and go after it', async () => {
  const present = await pushManifest(repository, 'present')
  const gone = await pushManifest(repository, 'gone')
  const nameOf = (digest: string, suffix: string) => `${digest.replace(':', '-')}${suffix}`
  const ages = {
    [nameOf(present, '.sig')]: 300,
    [nameOf(present, '')]: 300,
    [nameOf(gone, '.att')]: 300,
    [nameOf(gone, '.sig')]: 0.5,
    young: 1,
    older: 2,
  }
  await tagged(folder.path, repository, ages)
  await repository.manifests.delete(gone)
  const { reasons } = await run(rulesOf({ keep: { newest: 1 }, delete: { olderthan: '0s' } }))
  expect(await tagsOf(repository)).toEqual(
    [nameOf(gone, '.sig'), nameOf(present, ''), nameOf(present, '.sig'), 'young'].sort(),
  )
  expect(reasons[nameOf(gone, '.att')]).toBe(`remove: ${gone}, which it follows, is gone`)
})

test('a tag called index, and what a tag has named before, are listed as what they are', async () => {
  await pushManifest(repository, 'first', { tags: ['index', 'current'] })
  const digest = await pushManifest(repository, 'second', { tags: ['index', 'current'] })
  const entries = []
  for await (const { tag, digest: named } of repository.tags.entries()) entries.push([tag, named])
  expect(entries).toEqual([
    ['current', digest],
    ['index', digest],
  ])
})

const page = readFileSync(new URL('../../docs/lifecycle.md', import.meta.url), 'utf8')
const recipesEnd = page.indexOf('\n## ', page.indexOf('### Recipes'))
const recipes = [
  ...page.slice(page.indexOf('### Recipes'), recipesEnd).matchAll(/```yaml\n(policies:\n[\s\S]*?)```/g),
]
  .map(([, text = '']) => parse(text).policies)
  .filter(({ retention }) => retention !== undefined)

test('recipe: the last ten of each branch, releases for ever, nothing else for longer', async () => {
  const main = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`main-${index}`, index + 1]))
  const dev = Object.fromEntries(Array.from({ length: 3 }, (_, index) => [`dev-${index}`, 200 + index]))
  await tagged(folder.path, repository, { ...main, ...dev, 'v1.0': 900, latest: 900, test: 91, trial: 89 })
  await run(recipes[0])
  const left = await tagsOf(repository)
  expect(left.filter((tag) => tag.startsWith('main-'))).toEqual(
    Array.from({ length: 10 }, (_, index) => `main-${index}`),
  )
  expect(left.filter((tag) => !tag.startsWith('main-'))).toEqual(
    ['dev-0', 'dev-1', 'dev-2', 'latest', 'trial', 'v1.0'].sort(),
  )
})

test('recipe: pull requests for a week, and the newest three', async () => {
  await tagged(folder.path, repository, {
    'pr-1': 50,
    'pr-2': 40,
    'pr-3': 30,
    'pr-4': 6,
    'pr-5': 5,
    'pr-6': 4,
    'pr-7': 3,
  })
  await run(recipes[1])
  expect(await tagsOf(repository)).toEqual(['pr-4', 'pr-5', 'pr-6', 'pr-7'])
})

test('recipe: release candidates that go after two weeks', async () => {
  await tagged(folder.path, repository, { 'rc-1': 15, 'rc-2': 13, 'v1.0': 15 })
  await run(recipes[2])
  expect(await tagsOf(repository)).toEqual(['rc-2', 'v1.0'])
  // The last one has a test of its own: recipe-untagged.test.ts.
  expect(recipes).toHaveLength(4)
})
