import { describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../../src/core/digest.ts'
import { parseTag } from '../../../src/core/reference.ts'
import { collectAll } from '../storage-driver/support.ts'
import { expectRegistryError, pushManifest, type RegistryUnderTest, tagLink, tagsOf } from './support.ts'

const latest = parseTag('latest')

export function describeTags(current: () => RegistryUnderTest): void {
  describe('tags', () => {
    it('a tag names a manifest, and the last write wins', async () => {
      const repository = current().repository('a')
      const first = await pushManifest(repository, 'first', { tags: ['latest'] })
      expect(await repository.tags.get(latest)).toBe(first)
      const second = await pushManifest(repository, 'second', { tags: ['latest'] })
      expect(await repository.tags.get(latest)).toBe(second)
    })

    it('a manifest can be tagged long after it was pushed, by its descriptor', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      expect(await tagsOf(repository)).toEqual([])
      const { descriptor } = await repository.manifests.get(digest)
      for (const tag of ['v1', 'latest']) await repository.tags.tag(parseTag(tag), descriptor)
      expect(await tagsOf(repository)).toEqual(['latest', 'v1'])
      expect(await (await current().onOtherReplica('a')).tags.get(latest)).toBe(digest)
    })

    it('what was never tagged is unknown', async () => {
      const { tags } = current().repository('a')
      await expectRegistryError(tags.get(latest), 'MANIFEST_UNKNOWN')
      await expectRegistryError(tags.untag(latest), 'MANIFEST_UNKNOWN')
      expect(await collectAll(tags.all())).toEqual([])
      expect(await collectAll(tags.history(latest))).toEqual([])
    })

    it('are listed in byte order, behind a given one, which need not exist', async () => {
      const repository = current().repository('a')
      const tags = ['v1', 'V1', '_', 'v1.10', 'v1.2', 'v1-a', '0', 'a'.repeat(128)]
      await pushManifest(repository, 'image', { tags })
      const sorted = ['0', 'V1', '_', 'a'.repeat(128), 'v1', 'v1-a', 'v1.10', 'v1.2']
      expect(await tagsOf(repository)).toEqual(sorted)
      expect(await tagsOf(repository, 'v1')).toEqual(sorted.slice(5))
      expect(await tagsOf(repository, 'b')).toEqual(sorted.slice(4))
      expect(await tagsOf(repository, 'z')).toEqual([])
    })

    it('more than are looked at side by side stay in order', async () => {
      const repository = current().repository('a')
      const tags = Array.from({ length: 50 }, (_, index) => `v${index}`)
      await pushManifest(repository, 'image', { tags })
      expect(await tagsOf(repository)).toEqual(tags.sort())
    })

    it('are looked at as they are asked for, and never all held at a time', async () => {
      const { driver } = current()
      const tags = Array.from({ length: 200 }, (_, index) => `v${index}`)
      await pushManifest(current().repository('a'), 'image', { tags })
      driver.forget()
      const listed = []
      for await (const tag of current().repository('a').tags.all()) {
        listed.push(tag)
        const ahead = driver.count('get') - listed.length
        expect(ahead).toBeLessThan(20)
        if (listed.length === 100) break
      }
      expect(listed).toEqual(tags.sort().slice(0, 100))
    })

    it('the tags of a manifest are found', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image', { tags: ['v2', 'v1', 'moved'] })
      const other = await pushManifest(repository, 'other', { tags: ['moved'] })
      expect(await collectAll(repository.tags.lookup(digest))).toEqual(['v1', 'v2'])
      expect(await collectAll(repository.tags.lookup(other))).toEqual(['moved'])
    })

    it('a tag remembers everything that it ever named', async () => {
      const repository = current().repository('a')
      const named = []
      for (const name of ['one', 'two', 'three', 'one']) {
        named.push(await pushManifest(repository, name, { tags: ['latest'] }))
      }
      expect((await collectAll(repository.tags.history(latest))).sort()).toEqual([...new Set(named)].sort())
      expect(await collectAll(repository.tags.history(parseTag('other')))).toEqual([])
    })

    it('every tag is listed with its manifest and the time at which it was set', async () => {
      const repository = current().repository('a')
      expect(await collectAll(repository.tags.entries())).toEqual([])
      const from = (await current().registry.storageTime()).getTime()
      await pushManifest(repository, 'old', { tags: ['latest'] })
      const first = await pushManifest(repository, 'first', { tags: ['latest', 'index', 'v1.0'] })
      const second = await pushManifest(repository, 'second', { algorithm: 'sha512', tags: ['current'] })
      const entries = await collectAll(repository.tags.entries())
      const canonical = digestOf((await repository.manifests.get(second)).payload)
      expect(entries.map(({ tag, digest }) => [tag, digest])).toEqual([
        ['current', canonical],
        ['index', first],
        ['latest', first],
        ['v1.0', first],
      ])
      const until = (await current().registry.storageTime()).getTime()
      // Some stores count in seconds.
      for (const { setAt } of entries) {
        expect(setAt.getTime()).toBeGreaterThan(from - 1_000)
        expect(setAt.getTime()).toBeLessThan(until + 1_000)
      }
    })

    it('a tag is removed on condition that it was not set again', async () => {
      const repository = current().repository('a')
      await pushManifest(repository, 'first', { tags: ['latest', 'v1'] })
      const entries = await collectAll((await current().onOtherReplica('a')).tags.entries())
      const second = await pushManifest(repository, 'second', { tags: ['latest'] })
      for (const unchangedSince of entries) {
        const removal = repository.tags.untag(unchangedSince.tag, { unchangedSince })
        if (unchangedSince.tag === latest) await expectRegistryError(removal, 'MANIFEST_UNKNOWN')
        else await removal
      }
      expect(await tagsOf(repository)).toEqual(['latest'])
      expect(await repository.tags.get(latest)).toBe(second)
    })

    it('an untagged manifest is still there by its digest', async () => {
      const { manifests, tags } = current().repository('a')
      const digest = await pushManifest(current().repository('a'), 'image', { tags: ['latest', 'v1'] })
      await tags.untag(latest)
      await expectRegistryError(tags.get(latest), 'MANIFEST_UNKNOWN')
      await expectRegistryError(tags.untag(latest), 'MANIFEST_UNKNOWN')
      expect(await collectAll(tags.all())).toEqual(['v1'])
      expect(await manifests.exists(digest)).toBe(true)
    })

    it('a tag that is made again has forgotten what it named before', async () => {
      const repository = current().repository('a')
      await pushManifest(repository, 'one', { tags: ['latest'] })
      await repository.tags.untag(latest)
      const digest = await pushManifest(repository, 'two', { tags: ['latest'] })
      expect(await collectAll(repository.tags.history(latest))).toEqual([digest])
    })

    it('a folder without a current link, as a crash may leave it, is no tag', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image', { tags: ['half', 'whole'] })
      await driver.delete(tagLink('a', 'half'))
      expect(await tagsOf(repository)).toEqual(['whole'])
      expect(await collectAll(repository.tags.lookup(digest))).toEqual(['whole'])
      await expectRegistryError(repository.tags.get(parseTag('half')), 'MANIFEST_UNKNOWN')
      await repository.tags.tag(parseTag('half'), (await repository.manifests.get(digest)).descriptor)
      expect(await tagsOf(repository)).toEqual(['half', 'whole'])
    })

    it('tagging at the same time leaves one of the manifests', async () => {
      const repository = current().repository('a')
      const digests: Digest[] = []
      for (const name of ['one', 'two', 'three']) digests.push(await pushManifest(repository, name))
      const manifests = await Promise.all(digests.map((digest) => repository.manifests.get(digest)))
      await Promise.all(manifests.map(({ descriptor }) => repository.tags.tag(latest, descriptor)))
      expect(digests).toContain(await repository.tags.get(latest))
      expect((await collectAll(repository.tags.history(latest))).sort()).toEqual(digests.sort())
    })
  })
}
