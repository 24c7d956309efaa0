import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  ContentKind,
  ContentSource,
  DescriptorCache,
  StoredContent,
} from '../../src/core/descriptor-cache.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/core/reference.ts'
import { expectRegistryError } from './registry/support.ts'

export interface CacheUnderTest {
  readonly cache: DescriptorCache
  close(): Promise<void>
}

const a = parseRepositoryName('a')
const b = parseRepositoryName('b')

/** Storage of one repository, which counts what it is asked and can be made to wait. */
export class CountedSource implements ContentSource {
  readonly repository: RepositoryName
  readonly kind: ContentKind
  /** From a name to the canonical digest. */
  readonly links = new Map<Digest, Digest>()
  readonly sizes = new Map<Digest, number>()
  resolved = 0
  described = 0
  /** What a question waits for after it has looked. */
  held: Promise<unknown> = Promise.resolve()

  constructor(repository: RepositoryName, kind: ContentKind = 'blob') {
    this.repository = repository
    this.kind = kind
  }

  put(content: string, name?: Digest): Digest {
    const canonical = digestOf(Buffer.from(content))
    this.links.set(canonical, canonical)
    if (name !== undefined) this.links.set(name, canonical)
    this.sizes.set(canonical, content.length)
    return canonical
  }

  async resolve(digest: Digest): Promise<Digest | undefined> {
    this.resolved++
    const canonical = this.links.get(digest)
    await this.held
    return canonical
  }

  async describe(canonical: Digest) {
    this.described++
    const size = this.sizes.get(canonical)
    return size === undefined ? undefined : { mediaType: 'application/octet-stream', size }
  }
}

export function contentOf(text: string, name?: Digest): StoredContent {
  const canonical = digestOf(Buffer.from(text))
  const descriptor = { mediaType: 'application/octet-stream', digest: name ?? canonical, size: text.length }
  return { descriptor, canonical }
}

/** What every cache promises. `open` gives one that is empty. */
export function describeDescriptorCache(name: string, open: () => Promise<CacheUnderTest>): void {
  describe(`the descriptor cache ${name}`, () => {
    let opened: CacheUnderTest
    let cache: DescriptorCache
    let source: CountedSource
    beforeEach(async () => {
      opened = await open()
      cache = opened.cache
      source = new CountedSource(a)
    })
    afterEach(() => opened.close())

    it('asks storage once for what is there', async () => {
      const digest = source.put('one')
      expect(cache.getIfCached(source, digest)).toBeUndefined()
      for (let time = 0; time < 3; time++) expect(await cache.find(source, digest)).toEqual(contentOf('one'))
      expect(cache.getIfCached(source, digest)).toEqual(contentOf('one'))
      expect([source.resolved, source.described]).toEqual([1, 1])
    })

    it('asks storage every time for what is not there', async () => {
      const absent = digestOf(Buffer.from('absent'))
      for (let time = 0; time < 3; time++) expect(await cache.find(source, absent)).toBeUndefined()
      expect(cache.getIfCached(source, absent)).toBeUndefined()
      expect(source.resolved).toBe(3)
    })

    it('does not remember a link whose bytes are gone', async () => {
      const digest = source.put('one')
      source.sizes.clear()
      expect(await cache.find(source, digest)).toBeUndefined()
      source.put('one')
      expect(await cache.find(source, digest)).toEqual(contentOf('one'))
    })

    it('keeps repositories apart, and asks only once what stands under a digest', async () => {
      const digest = source.put('one')
      const other = new CountedSource(b)
      await cache.find(source, digest)
      expect(cache.getIfCached(other, digest)).toBeUndefined()
      expect(await cache.find(other, digest)).toBeUndefined()
      other.put('one')
      expect(await cache.find(other, digest)).toEqual(contentOf('one'))
      expect([other.resolved, other.described]).toEqual([2, 0])
    })

    it('keeps the blobs and the manifests of a repository apart', async () => {
      const digest = source.put('one')
      await cache.find(source, digest)
      const manifests = new CountedSource(a, 'manifest')
      expect(cache.getIfCached(manifests, digest)).toBeUndefined()
      expect(await cache.find(manifests, digest)).toBeUndefined()
    })

    it('gives content by the name that it was asked by', async () => {
      const alias = digestOf(Buffer.from('one'), 'sha512')
      const canonical = source.put('one', alias)
      for (let time = 0; time < 2; time++) {
        expect(await cache.find(source, alias)).toEqual(contentOf('one', alias))
        expect(await cache.find(source, canonical)).toEqual(contentOf('one'))
      }
      expect(cache.getIfCached(source, alias)).toEqual(contentOf('one', alias))
      expect(source.resolved).toBe(2)
    })

    it('forgets content of one repository by the names that it is told', async () => {
      const alias = digestOf(Buffer.from('one'), 'sha512')
      const canonical = source.put('one', alias)
      const other = new CountedSource(b)
      other.put('one')
      for (const digest of [canonical, alias]) await cache.find(source, digest)
      await cache.find(other, canonical)
      source.links.clear()
      await cache.evict(source, [alias, canonical])
      for (const digest of [canonical, alias]) {
        expect(cache.getIfCached(source, digest)).toBeUndefined()
        expect(await cache.find(source, digest)).toBeUndefined()
      }
      expect(await cache.find(other, canonical)).toEqual(contentOf('one'))
      expect(other.resolved).toBe(1)
    })

    it('forgets what stood under a digest, for all repositories', async () => {
      const digest = source.put('one')
      const other = new CountedSource(b)
      other.put('one')
      for (const each of [source, other]) await cache.find(each, digest)
      for (const each of [source, other]) each.sizes.clear()
      await cache.evictContent(digest)
      for (const each of [source, other]) {
        expect(cache.getIfCached(each, digest)).toBeUndefined()
        expect(await cache.find(each, digest)).toBeUndefined()
      }
    })

    it('evicting what was never there is no error', async () => {
      await cache.evict(source, [digestOf(Buffer.from('absent'))])
      await cache.evictContent(digestOf(Buffer.from('absent')))
    })

    it('does not remember what was evicted while storage was asked', async () => {
      const digest = source.put('one')
      const { promise, resolve } = Promise.withResolvers<void>()
      source.held = promise
      const finding = cache.find(source, digest)
      await expect.poll(() => source.resolved).toBe(1)
      source.links.clear()
      await cache.evict(source, [digest])
      const late = cache.find(source, digest)
      resolve()
      await finding
      expect(await late).toBeUndefined()
      expect(await cache.find(source, digest)).toBeUndefined()
    })

    it('does not remember what stood under a digest that was forgotten while storage was asked', async () => {
      const digest = source.put('one')
      const { promise, resolve } = Promise.withResolvers<void>()
      source.held = promise
      const finding = cache.find(source, digest)
      await expect.poll(() => source.resolved).toBe(1)
      await cache.evictContent(digest)
      source.sizes.clear()
      resolve()
      await finding
      expect(await cache.find(source, digest)).toBeUndefined()
    })

    it('those who ask for the same at the same time share an answer', async () => {
      const digest = source.put('one')
      const found = await Promise.all(Array.from({ length: 20 }, () => cache.find(source, digest)))
      expect(found).toEqual(Array(20).fill(contentOf('one')))
      expect(source.resolved).toBe(1)
    })

    it('knows what was just put there, and asks nobody for it', async () => {
      const digest = digestOf(Buffer.from('one'))
      expect(await cache.writeThrough(source, digest, async () => contentOf('one'))).toEqual(contentOf('one'))
      expect(cache.getIfCached(source, digest)).toEqual(contentOf('one'))
      expect(await cache.find(source, digest)).toEqual(contentOf('one'))
      expect(source.resolved).toBe(0)
    })

    it('what is put there anew replaces what was known of it', async () => {
      const digest = source.put('one')
      source.sizes.set(digest, 1)
      const other = new CountedSource(b)
      other.put('one')
      other.sizes.set(digest, 1)
      for (const each of [source, other]) expect((await cache.find(each, digest))?.descriptor.size).toBe(1)
      await cache.writeThrough(source, digest, async () => contentOf('one'))
      for (const each of [source, other]) expect((await cache.find(each, digest))?.descriptor.size).toBe(3)
    })

    it('does not remember what was deleted while it was put there', async () => {
      const digest = digestOf(Buffer.from('one'))
      const { promise, resolve } = Promise.withResolvers<void>()
      const learning = cache.writeThrough(source, digest, async () => {
        await promise
        return contentOf('one')
      })
      await cache.evict(source, [digest])
      resolve()
      await learning
      expect(await cache.find(source, digest)).toBeUndefined()
    })

    it('remembers nothing of a push that failed', async () => {
      const digest = digestOf(Buffer.from('one'))
      const failing = cache.writeThrough(source, digest, () => Promise.reject(new Error('the disk is full')))
      await expect(failing).rejects.toThrow('the disk is full')
      expect(await cache.find(source, digest)).toBeUndefined()
    })

    it('an error of storage reaches whoever asked, and is not remembered', async () => {
      const digest = source.put('one')
      const { promise, reject } = Promise.withResolvers<void>()
      source.held = promise
      const finding = cache.find(source, digest)
      await expect.poll(() => source.resolved).toBe(1)
      reject(new Error('no such disk'))
      await expect(finding).rejects.toThrow('no such disk')
      source.held = Promise.resolve()
      expect(await cache.find(source, digest)).toEqual(contentOf('one'))
    })

    it('what was evicted can be found again once it is there again', async () => {
      const digest = source.put('one')
      await cache.find(source, digest)
      await cache.evict(source, [digest])
      expect(await cache.find(source, digest)).toEqual(contentOf('one'))
      await cache.writeThrough(source, digest, async () => contentOf('one'))
      expect(await cache.find(source, digest)).toEqual(contentOf('one'))
    })

    it('counts requests, hits, entries and evictions', async () => {
      const digest = source.put('one')
      const { requests, hits, evicted } = cache.counts
      await cache.find(source, digest)
      await cache.find(source, digest)
      cache.getIfCached(source, digest)
      expect([cache.counts.requests - requests, cache.counts.hits - hits]).toEqual([3, 2])
      expect(cache.counts.entries).toBe(1)
      await cache.evict(source, [digest])
      expect([cache.counts.evicted - evicted, cache.counts.entries]).toEqual([1, 0])
    })

    describe('refuses', () => {
      const digest = digestOf(Buffer.from('one'))
      const nameless = new CountedSource('' as RepositoryName)
      it.each([
        ['a repository without a name', nameless, digest, 'NAME_INVALID'],
        ['an empty digest', new CountedSource(a), '' as Digest, 'DIGEST_INVALID'],
      ] as const)('%s', async (_, from, name, code) => {
        const works: (() => unknown)[] = [
          async () => cache.getIfCached(from, name),
          () => cache.find(from, name),
          () => cache.writeThrough(from, name, async () => contentOf('one')),
          () => cache.evict(from, [name]),
        ]
        for (const work of works) await expectRegistryError(Promise.resolve().then<unknown>(work), code)
      })
    })
  })
}
