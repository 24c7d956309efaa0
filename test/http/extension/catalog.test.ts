/** The extension API, with an index and without one. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { parseRepositoryName } from '../../../src/core/reference.ts'
import { DESCRIPTIONS, openApiDocument } from '../../../src/http/handlers/extension/openapi.ts'
import { CATALOG_MODULES, REPOSITORY_MODULES } from '../../../src/http/request/extension-route.ts'
import { operations } from '../../../src/http/routes.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { basic, GuardedRegistry, rule } from '../../support/access.ts'
import { IndexUnderTest, silent, sqlite } from '../../support/catalog-index.ts'
import { type Answer, HttpRegistry, refusal } from '../../support/http-registry.ts'
import { imageJson, indexJson, payloadOf } from '../../support/manifest-json.ts'

interface Listed {
  readonly repositories: { name: string; tags: number | null }[]
  readonly tags: { name: string; repository: string; platforms: string[]; digest: string }[]
  readonly namespaces: { name: string; repositories: number; isRepository: boolean }[]
  readonly manifests: { digest: string; tags: string[]; parents: string[] }[]
  readonly next: string | null
}

const bodyOf = ({ body }: Answer) => JSON.parse(body.toString()) as Listed

const names = ['db', 'web/cart', 'web/shop', 'web/shop/admin'] as const

describe.each([true, false])('with an index: %s', (isIndexed) => {
  const driver = new MemoryDriver()
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  let indexed: IndexUnderTest
  let registry: HttpRegistry
  beforeAll(async () => {
    indexed = new IndexUnderTest(stored, sqlite())
    registry = await HttpRegistry.start({ driver, ...(isIndexed && { index: indexed.index }) })
    for (const name of names) {
      const headers = { 'content-type': MediaType.ociIndex }
      const body = payloadOf(indexJson({ manifests: [] }))
      for (const tag of ['v1', 'v2'])
        await registry.send(`PUT /v2/${name}/manifests/${tag}`, { headers, body })
    }
    indexed.feeder.start()
    await vi.waitFor(async () => expect((await indexed.index.state()).isComplete).toBe(true), 60_000)
  })
  afterAll(async () => {
    await registry[Symbol.asyncDispose]()
    await indexed[Symbol.asyncDispose]()
  })

  const list = async (path: string) => {
    const answer = await registry.send(`GET ${path}`)
    expect(answer.status, path).toBe(200)
    expect(answer.headers['cache-control']).toBe('no-store')
    return bodyOf(answer)
  }

  test('every answer has the form of the OpenAPI document', async () => {
    for (const [path, { answer }] of Object.entries(DESCRIPTIONS)) {
      if (!isIndexed && path.endsWith('catalog/tags')) continue
      const body = await list(path.replace('{name}', 'web/shop'))
      expect(answer.safeParse(body).error?.issues, path).toBeUndefined()
    }
    expect(await list('/v2/_entrepot/api/openapi')).toEqual(openApiDocument)
  })

  test('repositories in pages, and below a namespace', async () => {
    const found: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: Listed = await list(`/v2/_entrepot/catalog/repositories?n=3&cursor=${cursor}`)
      found.push(...page.repositories.map(({ name }) => name))
      cursor = page.next
    }
    expect(found).toEqual(names)
    const below = await list('/v2/_entrepot/catalog/repositories?under=web/shop')
    expect(below.repositories.map(({ name }) => name)).toEqual(['web/shop/admin'])
  })

  test('namespaces, one level at a time', async () => {
    expect((await list('/v2/_entrepot/catalog/namespaces')).namespaces).toEqual([
      { name: 'db', repositories: 0, isRepository: true },
      { name: 'web', repositories: 3, isRepository: false },
    ])
    expect((await list('/v2/_entrepot/catalog/namespaces?under=web')).namespaces).toEqual([
      { name: 'web/cart', repositories: 0, isRepository: true },
      { name: 'web/shop', repositories: 1, isRepository: true },
    ])
  })

  test('tags of a repository, searched and in pages', async () => {
    const path = '/v2/web/shop/_entrepot/tags/list'
    expect((await list(`${path}?q=V2`)).tags.map(({ name }) => name)).toEqual(['v2'])
    const first = await list(`${path}?n=1`)
    const second = await list(`${path}?n=1&cursor=${first.next}`)
    expect([...first.tags, ...second.tags].map(({ name }) => name)).toEqual(['v1', 'v2'])
    expect(second.next).toBeNull()
  })

  test('manifests, with and without tags, and what lists them', async () => {
    const child = payloadOf(indexJson({ manifests: [], annotations: { is: 'a child' } }))
    const digest = digestOf(child)
    const headers = { 'content-type': MediaType.ociIndex }
    await registry.send(`PUT /v2/web/cart/manifests/${digest}`, { headers, body: child })
    const parent = indexJson({
      manifests: [{ mediaType: MediaType.ociIndex, digest, size: child.length }],
    })
    await registry.send('PUT /v2/web/cart/manifests/parent', { headers, body: payloadOf(parent) })
    const { manifests } = await list('/v2/web/cart/_entrepot/manifests/list?tagged=false')
    expect(manifests).toMatchObject([{ digest, tags: [], parents: [expect.stringMatching(/^sha256:/)] }])
    const tagged = await list('/v2/web/cart/_entrepot/manifests/list?tagged=true')
    expect(tagged.manifests.map(({ tags }) => tags)).toContainEqual(['v1', 'v2'])
    expect(tagged.manifests).toHaveLength(2)
  })

  test.each([
    ['n=0', '400 PAGINATION_NUMBER_INVALID'],
    ['sort=age', '400 UNSUPPORTED'],
    ['cursor=x', '400 UNSUPPORTED'],
    ['under=A%20B', '400 UNSUPPORTED'],
  ])('%s is refused', async (query, expected) => {
    expect(refusal(await registry.send(`GET /v2/_entrepot/catalog/repositories?${query}`))).toBe(expected)
  })

  test('a cursor of another list is refused', async () => {
    const { next } = await list('/v2/_entrepot/catalog/repositories?n=1')
    const answer = await registry.send(`GET /v2/_entrepot/catalog/repositories?n=1&under=web&cursor=${next}`)
    expect(refusal(answer)).toBe('400 UNSUPPORTED')
  })

  test('a repository that does not exist', async () => {
    for (const module of ['tags/list', 'manifests/list'])
      expect(refusal(await registry.send(`GET /v2/none/_entrepot/${module}`))).toBe('404 NAME_UNKNOWN')
  })

  test('signatures by a parameter', async () => {
    const { tags } = await list('/v2/db/_entrepot/tags/list')
    const answer = await registry.send(`GET /v2/db/_entrepot/signatures?digest=${tags[0]?.digest}`)
    expect([answer.status, bodyOf(answer)]).toMatchObject([200, { signatures: [] }])
    expect(refusal(await registry.send('GET /v2/db/_entrepot/signatures'))).toBe('400 DIGEST_INVALID')
  })

  if (isIndexed) {
    test('tags of all repositories, by a part of the name of both', async () => {
      const found = async (query: string) =>
        (await list(`/v2/_entrepot/catalog/tags?sort=name&${query}`)).tags.map(
          ({ repository, name }) => `${repository}:${name}`,
        )
      expect(await found('q=cart:2')).toEqual(['web/cart:v2'])
      expect(await found('q=db:')).toEqual(['db:v1', 'db:v2'])
    })
  } else {
    test('search and other orders are refused, and it says why', async () => {
      for (const path of [
        '/v2/_entrepot/catalog/tags',
        '/v2/_entrepot/catalog/repositories?q=x',
        '/v2/_entrepot/catalog/repositories?sort=-pushed',
        '/v2/_entrepot/catalog/repositories?sort=pulls',
        '/v2/db/_entrepot/tags/list?sort=size',
      ])
        expect(refusal(await registry.send(`GET ${path}`))).toBe('400 UNSUPPORTED')
    })
  }
})

test('the OpenAPI document has every path and method of the extension API, and no other', () => {
  const methodsOf = (resource: keyof typeof operations) =>
    Object.keys(operations[resource])
      .filter((method) => method !== 'HEAD')
      .map((method) => method.toLowerCase())
      .sort()
  const modules = [
    ['/v2/_oci/ext/discover', methodsOf('extensions')],
    ['/v2/{name}/_oci/ext/discover', methodsOf('repositoryExtensions')],
    ...[...CATALOG_MODULES].map(([path, resource]) => [`/v2/_entrepot/${path}`, methodsOf(resource)]),
    ...[...REPOSITORY_MODULES].map(([path, resource]) => [
      `/v2/{name}/_entrepot/${path}`,
      methodsOf(resource),
    ]),
  ]
  const described = Object.entries(openApiDocument.paths).map(([path, one]) => [
    path,
    Object.keys(one).sort(),
  ])
  expect(Object.fromEntries(described)).toEqual(Object.fromEntries(modules))
})

test('an image is described by its configuration', async () => {
  await using registry = await HttpRegistry.start()
  const { client } = registry
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'arm', variant: 'v7', created: '2026-01-02T03:04:05Z' }),
  )
  const digest = await client.pushBlob('app', config)
  const image = imageJson({
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: config.length },
    layers: [],
  })
  const headers = { 'content-type': MediaType.ociManifest }
  await registry.send('PUT /v2/app/manifests/v1', { headers, body: payloadOf(image) })
  const answer = await registry.send('GET /v2/app/_entrepot/tags/list')
  expect(bodyOf(answer).tags).toMatchObject([
    {
      name: 'v1',
      mediaType: MediaType.ociManifest,
      artifactType: null,
      platforms: ['linux/arm/v7'],
      createdAt: '2026-01-02T03:04:05.000Z',
      size: payloadOf(image).length + config.length,
    },
  ])
})

test('every list shows only what the client may pull', async () => {
  const driver = new MemoryDriver()
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  await using indexed = new IndexUnderTest(stored, sqlite())
  const rules = [rule('open/**', 'alice', 'pull'), rule('**', 'root', '*')]
  await using guarded = await GuardedRegistry.start({
    users: ['alice', 'root'],
    auth: { rules },
    driver,
    index: indexed.index,
  })
  const { registry } = guarded
  for (const name of ['open/a', 'secret/b']) {
    const headers = { ...basic('root'), 'content-type': MediaType.ociIndex }
    await registry.send(`PUT /v2/${name}/manifests/v1`, {
      headers,
      body: payloadOf(indexJson({ manifests: [] })),
    })
    await indexed.feeder.compare(parseRepositoryName(name))
  }
  for (const path of [
    'repositories',
    'namespaces',
    'tags',
    'tags?q=v1',
    'repositories?q=secret',
    'repositories?sort=-pushed',
    'repositories?sort=-pulls',
  ]) {
    const answer = await registry.send(`GET /v2/_entrepot/catalog/${path}`, { headers: basic('alice') })
    expect(answer.status).toBe(200)
    expect(answer.body.toString()).not.toContain('secret')
    const all = await registry.send(`GET /v2/_entrepot/catalog/${path}`, { headers: basic('root') })
    expect(all.body.toString()).toContain('secret')
  }
})
