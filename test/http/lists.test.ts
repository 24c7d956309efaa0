/** OCI Distribution Specification 1.1, "Listing Tags"; Docker Registry HTTP API V2, "Listing Repositories". */
import { describe, expect, test } from 'vitest'
import { MediaType } from '../../src/core/media-type.ts'
import { type Answer, HttpRegistry, refusal } from '../support/http-registry.ts'
import { indexJson, payloadOf } from '../support/manifest-json.ts'

const index = payloadOf(indexJson({ manifests: [] }))

async function tag(registry: HttpRegistry, path: string): Promise<void> {
  const [repository, name] = path.split(':')
  const headers = { 'content-type': MediaType.ociIndex }
  const answer = await registry.send(`PUT /v2/${repository}/manifests/${name}`, { body: index, headers })
  expect(answer.status).toBe(201)
}

interface ListBody {
  readonly name?: string
  readonly tags?: string[]
  readonly repositories?: string[]
}

const bodyOf = ({ body }: Answer) => JSON.parse(body.toString()) as ListBody

/** Every page's names, following each Link to the end. */
async function pagesOf(registry: HttpRegistry, path: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer: Answer = await registry.send(`GET ${next}`)
    expect(answer.status).toBe(200)
    const { tags, repositories } = bodyOf(answer)
    pages.push(tags ?? repositories ?? [])
    const { link } = answer.headers as { link?: string }
    next = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]
  }
  return pages
}

/** In byte order, which is not that of any language. */
const tags = ['0', '1.10', '1.9', 'A', 'B', 'Z', '_', 'a', 'a-b', 'a.b', 'b', 'latest'].sort()

async function registryWithTags(options: Parameters<typeof HttpRegistry.start>[0] = {}) {
  const registry = await HttpRegistry.start(options)
  for (const name of tags.toReversed()) await tag(registry, `some/name:${name}`)
  return registry
}

/** By these the order of folders and that of names differ. */
const repositories = ['a', 'a-b', 'a.b/c', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'b', 'b/a', 'c__d/e'].sort()

async function registryWithRepositories(options: Parameters<typeof HttpRegistry.start>[0] = {}) {
  const registry = await HttpRegistry.start(options)
  for (const name of repositories.toReversed()) await tag(registry, `${name}:x`)
  return registry
}

const lists = [
  { what: 'tags', path: '/v2/some/name/tags/list', start: registryWithTags, names: tags },
  { what: 'repositories', path: '/v2/_catalog', start: registryWithRepositories, names: repositories },
]

describe.each(lists)('the list of $what', ({ path, start, names }) => {
  test('is whole and in order when it is short', async () => {
    await using registry = await start()
    const answer = await registry.send(`GET ${path}`)
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json'])
    expect(answer.headers.link).toBeUndefined()
    expect(await pagesOf(registry, path)).toEqual([names])
  })

  test.each([1, 2, 3, 5])('comes in pages of %i to its end', async (n) => {
    await using registry = await start()
    const pages = await pagesOf(registry, `${path}?n=${n}`)
    expect(pages.flat()).toEqual(names)
    expect(pages.slice(0, -1).every((page) => page.length === n)).toBe(true)
    expect(pages.at(-1)).not.toEqual([])
  })

  test('ends without a Link when the last page is full', async () => {
    await using registry = await start()
    expect(await pagesOf(registry, `${path}?n=${names.length}`)).toEqual([names])
    expect(await pagesOf(registry, `${path}?n=${names.length / 2}`)).toHaveLength(2)
  })

  test('goes on behind any name, there or not', async () => {
    await using registry = await start()
    for (const last of [...names, 'a-', 'a/', 'a~', 'zzz', '!']) {
      const page = await pagesOf(registry, `${path}?last=${encodeURIComponent(last)}`)
      expect([last, page.flat()]).toEqual([last, names.filter((name) => name > last)])
    }
  })

  test('has a Link that names the last entry and the size', async () => {
    await using registry = await start()
    const { link } = (await registry.send(`GET ${path}?n=3`)).headers
    const last = encodeURIComponent(names[2]!)
    expect(link).toBe(`<${path}?last=${last}&n=3>; rel="next"`)
  })

  test('takes an empty n for none', async () => {
    await using registry = await start()
    expect(await pagesOf(registry, `${path}?n=`)).toEqual(await pagesOf(registry, path))
  })

  test('has a Link that is a path wherever locations lead', async () => {
    await using registry = await start()
    const publicUrl = new URL('https://registry.example/outer/')
    for (const [settings, before] of [
      [{ relativeUrls: false }, ''],
      [{ publicUrl }, '/outer'],
      [{ publicUrl, relativeUrls: false, prefix: '/inner' }, '/outer'],
    ] as const) {
      await using told = await HttpRegistry.start({ driver: registry.driver, settings })
      const inner = 'prefix' in settings ? settings.prefix : ''
      const { link } = (await told.send(`GET ${inner}${path}?n=3`)).headers
      expect(link).toMatch(new RegExp(`^<${before}${path}\\?last=.*>; rel="next"$`))
      await told.stop()
    }
  })

  test('is an empty list, never null, for n=0', async () => {
    await using registry = await start()
    const answer = await registry.send(`GET ${path}?n=0`)
    expect([answer.status, answer.headers.link]).toEqual([200, undefined])
    expect(await pagesOf(registry, `${path}?n=0`)).toEqual([[]])
  })

  test.each(['-1', 'x', '1.5', '1e3', '0x10', '+1', '9'.repeat(30), '%31%00'])(
    'refuses an n that is no number: %s',
    async (n) => {
      await using registry = await start()
      expect(refusal(await registry.send(`GET ${path}?n=${n}`))).toBe('400 PAGINATION_NUMBER_INVALID')
    },
  )

  test('has pages no longer than the registry allows', async () => {
    await using registry = await start({ settings: { maxTags: 4, maxCatalogEntries: 4 } })
    for (const query of ['', '?n=1000', '?n=999999999999999']) {
      const pages = await pagesOf(registry, `${path}${query}`)
      expect(pages.flat()).toEqual(names)
      expect(Math.max(...pages.map((page) => page.length))).toBe(4)
    }
  })

  test('answers HEAD with the headers of GET', async () => {
    await using registry = await start()
    const [head, get] = [await registry.send(`HEAD ${path}`), await registry.send(`GET ${path}`)]
    expect([head.status, head.body.length]).toEqual([200, 0])
    expect(head.headers['content-length']).toBe(String(get.body.length))
  })
})

test('the tags say which repository they are of', async () => {
  await using registry = await registryWithTags()
  expect(bodyOf(await registry.send('GET /v2/some/name/tags/list?n=1'))).toEqual({
    name: 'some/name',
    tags: ['0'],
  })
})

test('a repository without tags has an empty list, and one that is not there is unknown', async () => {
  await using registry = await registryWithTags()
  await registry.client.pushBlob('untagged', Buffer.from('bytes'))
  expect(bodyOf(await registry.send('GET /v2/untagged/tags/list'))).toEqual({ name: 'untagged', tags: [] })
  for (const query of ['', '?n=0', '?n=5', '?last=x']) {
    expect(refusal(await registry.send(`GET /v2/some/tags/list${query}`))).toBe('404 NAME_UNKNOWN')
  }
})

test('a deleted tag is no longer in the list', async () => {
  await using registry = await registryWithTags()
  expect((await registry.send('DELETE /v2/some/name/manifests/latest')).status).toBe(202)
  expect((await pagesOf(registry, '/v2/some/name/tags/list')).flat()).toEqual(
    tags.filter((name) => name !== 'latest'),
  )
})

test('an empty registry has an empty catalog', async () => {
  await using registry = await HttpRegistry.start()
  expect(bodyOf(await registry.send('GET /v2/_catalog'))).toEqual({ repositories: [] })
})

test('a repository that was only begun is in no catalog', async () => {
  await using registry = await HttpRegistry.start()
  await registry.client.beginUpload('begun')
  expect(bodyOf(await registry.send('GET /v2/_catalog'))).toEqual({ repositories: [] })
})

test('the catalog has a hundred names a page where a client says nothing', async () => {
  await using registry = await HttpRegistry.start()
  const names = Array.from({ length: 101 }, (_, n) => `r${String(n).padStart(3, '0')}`)
  for (const name of names) await tag(registry, `${name}:x`)
  expect((await pagesOf(registry, '/v2/_catalog')).map((page) => page.length)).toEqual([100, 1])
})
