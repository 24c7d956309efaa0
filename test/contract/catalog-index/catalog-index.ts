/** The contract of the index of the catalog, for each database. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { IndexPage, IndexQuery, Position, TagKey } from '../../../src/core/catalog/catalog-index.ts'
import { digestOf } from '../../../src/core/digest.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../../src/core/reference.ts'
import type { Registry } from '../../../src/core/registry.ts'
import type { SqlEngine } from '../../../src/index/sql/engine.ts'
import { keyOf, PullCounts } from '../../../src/lifecycle/pulls/pull-counts.ts'
import { PullFiles } from '../../../src/lifecycle/pulls/pull-files.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { allRepositories, allTags, IndexUnderTest, silent } from '../../support/catalog-index.ts'
import { indexJson, payloadOf } from '../../support/manifest-json.ts'

const name = parseRepositoryName
/** An hour, counted from 1970. */
const HOUR = 490_000

/** Pushes an index without children under a tag; its size depends on the note. */
export async function pushTag(registry: Registry, reference: string, note = ''): Promise<void> {
  const [repository = '', tag = ''] = reference.split(':')
  const payload = payloadOf(indexJson({ manifests: [], annotations: { note } }))
  const { manifests, tags } = registry.repository(name(repository))
  await tags.tag(
    parseTag(tag),
    await manifests.put(parseManifest(payload), undefined, { tags: [parseTag(tag)] }),
  )
}

async function every<Key extends string, Entry>(
  list: (query: IndexQuery<Key>) => Promise<IndexPage<Entry>>,
  query: IndexQuery<Key>,
): Promise<Entry[]> {
  const entries: Entry[] = []
  for (let after: Position | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const page = await list({ ...query, after })
    entries.push(...page.entries)
    after = page.next
  }
  return entries
}

export function describeCatalogIndex(what: string, open: () => SqlEngine | Promise<SqlEngine>): void {
  describe(`the index in ${what}`, () => {
    let stored: StoredRegistry
    let tested: IndexUnderTest
    beforeEach(async () => {
      stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: silent })
      const engine = await open()
      await engine.reset()
      tested = new IndexUnderTest(stored, engine, { pulls: new PullFiles(stored.storage) })
    })
    afterEach(async () => {
      await tested[Symbol.asyncDispose]()
      await stored.close()
    })

    const names = async (query = {}) =>
      (await tested.index.repositories({ ...allRepositories, ...query })).entries.map(({ name }) => name)
    const tags = async (query = {}) =>
      (
        await every((page) => tested.index.tags({ ...allTags, ...query, ...page }), { ...allTags, ...query })
      ).map((tag) => `${tag.repository}:${tag.name}`)
    const filled = async (...references: string[]) => {
      for (const reference of references) await pushTag(stored, reference, reference)
      tested.feeder.start()
      await expect.poll(() => tested.index.state()).toMatchObject({ isComplete: true })
    }

    test('is filled from storage by itself, and says since when it is complete', async () => {
      expect(await tested.index.state()).toEqual({ isComplete: false, asOf: null })
      const before = Date.now()
      await filled('a/b:v1', 'a/b:v2', 'c:v1')
      const { asOf } = await tested.index.state()
      expect(asOf?.getTime()).toBeGreaterThanOrEqual(before - 1)
      expect(await names()).toEqual(['a/b', 'c'])
      expect(await tags()).toEqual(['a/b:v1', 'c:v1', 'a/b:v2'])
      const [first] = (await tested.index.repositories(allRepositories)).entries
      expect(first).toMatchObject({ name: 'a/b', tags: 2, newestTag: 'v2' })
      expect(first?.size).toBeGreaterThan(0)
    })

    test('follows tags that are set, moved and removed', async () => {
      await filled('a:v1')
      const payload = payloadOf(indexJson({ manifests: [], annotations: { note: 'moved' } }))
      await pushTag(tested.registry, 'a:v1', 'moved')
      await pushTag(tested.registry, 'new/one:x')
      await expect.poll(() => names()).toEqual(['a', 'new/one'])
      const moved = { ...allTags, digest: digestOf(payload) }
      await expect.poll(async () => (await tested.index.tags(moved)).entries.length).toBe(1)
      await tested.registry.repository(name('a')).tags.untag(parseTag('v1'))
      await expect.poll(() => tags({ repository: name('a') })).toEqual([])
    })

    test('finds by a sweep what another registry wrote, also a repository that is gone', async () => {
      await filled('a:v1', 'b:v1')
      await pushTag(stored, 'a:v2')
      await stored.repository(name('a')).tags.untag(parseTag('v1'))
      await stored.storage.delete(`/docker/registry/v2/repositories/b`)
      await expect.poll(() => tags()).toEqual(['a:v2'])
      await expect.poll(() => names()).toEqual(['a'])
    })

    test('a comparison corrects one repository at once', async () => {
      await pushTag(stored, 'a:v1')
      await tested.index.compare(name('a'))
      expect(await tags()).toEqual(['a:v1'])
    })

    test('of two looks at a repository the later one prevails, whichever is written last', async () => {
      const { feeder } = tested
      await pushTag(stored, 'a:v1')
      await Promise.all([feeder.compare(name('a')), feeder.compare(name('a'))])
      await stored.repository(name('a')).tags.untag(parseTag('v1'))
      await feeder.compare(name('a'))
      expect(await tags()).toEqual([])
    })

    test.each<[TagKey, boolean, string[]]>([
      ['name', false, ['b:a', 'a:b', 'a:c', 'b:d']],
      ['name', true, ['b:d', 'a:c', 'a:b', 'b:a']],
      ['pushed', false, ['a:b', 'b:d', 'b:a', 'a:c']],
      ['pushed', true, ['a:c', 'b:a', 'b:d', 'a:b']],
    ])('tags in order of %s, descending %s, in pages of any size', async (key, descending, expected) => {
      for (const reference of ['a:b', 'b:d', 'b:a', 'a:c']) {
        await pushTag(stored, reference)
        await new Promise((resolve) => setTimeout(resolve, 3))
      }
      await filled()
      for (const count of [1, 3, 4, 5]) {
        expect(await tags({ order: { key, descending }, count })).toEqual(expected)
      }
    })

    test('equal and unknown values are each listed once', async () => {
      const missing = {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: `sha256:${'0'.repeat(64)}`,
        size: 5,
      }
      const payload = payloadOf(indexJson({ manifests: [missing] }))
      const { manifests, tags: service } = stored.repository(name('sparse'))
      const put = await manifests.put(parseManifest(payload), undefined, { isCopy: true })
      for (const tag of ['x', 'y', 'z']) await service.tag(parseTag(tag), put)
      await filled('a:v1', 'a:v2', 'b:v1')
      for (const descending of [true, false]) {
        for (const count of [1, 2, 6]) {
          const found = await tags({ order: { key: 'size', descending }, count })
          expect([...found].sort()).toEqual(['a:v1', 'a:v2', 'b:v1', 'sparse:x', 'sparse:y', 'sparse:z'])
          expect(found.slice(3).every((tag) => tag.startsWith('sparse:'))).toBe(true)
        }
      }
    })

    /** Pulls as a process records them. */
    const recorded = async (pulls: Readonly<Record<string, number>>) => {
      const counts = new PullCounts()
      for (const [repository, count] of Object.entries(pulls))
        counts.add(repository, keyOf(digestOf(Buffer.from('any')), undefined), [HOUR, count])
      await new PullFiles(stored.storage).write(counts)
    }

    test('repositories in order of their pulls, in pages of any size', async () => {
      await recorded({ a: 3, 'b/c': 20, d: 3 })
      await recorded({ a: 1, unknown: 7 })
      await filled('a:v1', 'b/c:v1', 'd:v1', 'e:v1')
      for (const count of [1, 2, 4, 5]) {
        const listed = async (descending: boolean) => {
          const query = { ...allRepositories, order: { key: 'pulls' as const, descending }, count }
          const found = await every((page) => tested.index.repositories({ ...query, ...page }), query)
          return found.map(({ name, pulls }) => `${name} ${pulls?.pulls}`)
        }
        expect(await listed(true)).toEqual(['b/c 20', 'a 4', 'd 3', 'e 0'])
        expect(await listed(false)).toEqual(['e 0', 'd 3', 'a 4', 'b/c 20'])
      }
      const sees = (repository: string) => repository !== 'b/c'
      const order = { key: 'pulls' as const, descending: true }
      expect(await names({ sees, order })).toEqual(['a', 'd', 'e'])
      const [first] = (await tested.index.repositories({ ...allRepositories, order })).entries
      expect(first?.pulls?.lastPulledAt).toEqual(new Date(HOUR * 3_600_000))
    })

    test('follows pulls that are recorded, without a sweep', async () => {
      await tested[Symbol.asyncDispose]()
      const pulls = new PullFiles(stored.storage)
      tested = new IndexUnderTest(stored, await open(), { pulls, sweepMs: undefined })
      await pushTag(tested.registry, 'a:v1')
      const pullsOfA = async () => (await tested.index.repositories(allRepositories)).entries[0]?.pulls?.pulls
      await expect.poll(pullsOfA).toBe(0)
      await recorded({ a: 2, gone: 1 })
      tested.feeder.pulled([name('gone'), name('a')])
      await expect.poll(pullsOfA).toBe(2)
      expect(await names()).toEqual(['a'])
    })

    test('where no pulls are recorded, they are unknown, and any order has all repositories', async () => {
      await tested[Symbol.asyncDispose]()
      tested = new IndexUnderTest(stored, await open(), { pulls: undefined })
      await filled('a:v1', 'b:v1')
      const order = { key: 'pulls' as const, descending: true }
      const { entries } = await tested.index.repositories({ ...allRepositories, order })
      const pulls = entries.map(({ name, pulls }) => ({ name, pulls }))
      expect(pulls).toHaveLength(2)
      expect(pulls).toEqual(
        expect.arrayContaining([
          { name: 'a', pulls: null },
          { name: 'b', pulls: null },
        ]),
      )
    })

    test('searches parts of names, regardless of case, and takes no text for a pattern', async () => {
      await filled('web/shop:Release-1', 'web/shop:nightly', 'web/cart:release_2', 'db:re')
      expect(await tags({ words: ['release'] })).toEqual(['web/shop:Release-1', 'web/cart:release_2'])
      expect(await tags({ words: ['re'] })).toEqual(['web/shop:Release-1', 'db:re', 'web/cart:release_2'])
      expect(await tags({ words: ['lea', '2'] })).toEqual(['web/cart:release_2'])
      expect(await tags({ words: ['release'], repositoryWords: ['cart'] })).toEqual(['web/cart:release_2'])
      for (const word of ['%', 'e%e', '"', '\\', 'release"', '_1', '*', "'"])
        expect(await tags({ words: [word] })).toEqual([])
      expect(await names({ words: ['web', 'c'] })).toEqual(['web/cart'])
      expect(await names({ under: 'web' })).toEqual(['web/cart', 'web/shop'])
      expect(await names({ words: ['_'] })).toEqual([])
    })

    test('lists, finds and counts only what the client sees', async () => {
      await filled('open/a:v1', 'secret/b:v1', 'secret/b:v2', 'open/c:v2')
      const sees = (repository: string) => repository.startsWith('open/')
      expect(await names({ sees })).toEqual(['open/a', 'open/c'])
      expect(await names({ sees, words: ['secret'] })).toEqual([])
      expect(await names({ sees: () => false })).toEqual([])
      expect(await tags({ sees })).toEqual(['open/a:v1', 'open/c:v2'])
      expect(await tags({ sees, words: ['v2'] })).toEqual(['open/c:v2'])
      expect(await tags({ sees, repository: name('secret/b') })).toEqual([])
      expect(await tested.index.names(sees)).toEqual(['open/a', 'open/c'])
      const page = await tested.index.tags({ ...allTags, sees, count: 1 })
      expect(page.next).toEqual({ value: 'v1', repository: 'open/a', tag: 'v1' })
    })

    test('a repository that appears is hidden at once from those who do not see it', async () => {
      await filled('open/a:v1')
      const sees = (repository: string) => repository.startsWith('open/')
      expect(await names({ sees })).toEqual(['open/a'])
      await pushTag(tested.registry, 'secret/b:v1')
      await expect.poll(() => names()).toEqual(['open/a', 'secret/b'])
      expect(await names({ sees })).toEqual(['open/a'])
      expect(await tags({ sees })).toEqual(['open/a:v1'])
    })
  })
}
