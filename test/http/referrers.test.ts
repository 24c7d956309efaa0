/** OCI Distribution Specification 1.1, "Listing Referrers". */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { referrerPayload, sbomType, subject } from '../contract/registry/referrer-support.ts'
import { type Answer, HttpRegistry, refusal } from '../support/http-registry.ts'
import { payloadOf } from '../support/manifest-json.ts'

interface Index {
  readonly schemaVersion: number
  readonly mediaType: string
  readonly manifests: { readonly digest: string; readonly annotations?: Record<string, string> }[]
}

const path = `/v2/a/b/referrers/${subject}`
const indexOf = ({ body }: Answer) => JSON.parse(body.toString()) as Index
const digestsOf = (answer: Answer) => indexOf(answer).manifests.map(({ digest }) => digest)

async function push(registry: HttpRegistry, payload: Uint8Array): Promise<Answer> {
  const headers = { 'content-type': MediaType.ociManifest }
  const answer = await registry.send(`PUT /v2/a/b/manifests/${digestOf(payload)}`, { body: payload, headers })
  expect(answer.status).toBe(201)
  return answer
}

async function registryWith(...payloads: Uint8Array[]): Promise<HttpRegistry> {
  const registry = await HttpRegistry.start()
  await registry.client.pushBlob('a/b', Buffer.from('{}'))
  for (const payload of payloads) await push(registry, payload)
  return registry
}

/** Every page's answer, following each Link to the end. */
async function pagesOf(registry: HttpRegistry, first: string): Promise<Answer[]> {
  const pages: Answer[] = []
  for (let next: string | undefined = first; next !== undefined; ) {
    const answer: Answer = await registry.send(`GET ${next}`)
    expect(answer.status).toBe(200)
    pages.push(answer)
    const { link } = answer.headers as { link?: string }
    next = /^<([^>]+)>; rel="next"$/.exec(link ?? '')?.[1]
  }
  return pages
}

const named = (count: number) => Array.from({ length: count }, (_, number) => referrerPayload(`${number}`))

test('a list is an OCI index with what each manifest is', async () => {
  const payload = referrerPayload('one')
  await using registry = await registryWith(payload)
  const answer = await registry.send(`GET ${path}`)
  expect(answer.status).toBe(200)
  expect(answer.headers).toMatchObject({
    'content-type': MediaType.ociIndex,
    'content-length': String(answer.body.length),
  })
  expect(answer.headers).not.toHaveProperty('oci-filters-applied')
  expect(answer.headers).not.toHaveProperty('link')
  expect(indexOf(answer)).toEqual({
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [
      {
        mediaType: MediaType.ociManifest,
        digest: digestOf(payload),
        size: payload.length,
        artifactType: sbomType,
        annotations: { name: 'one' },
      },
    ],
  })
  const head = await registry.send(`HEAD ${path}`)
  expect([head.status, head.body.length]).toEqual([200, 0])
  expect(head.headers).toMatchObject({
    'content-type': MediaType.ociIndex,
    'content-length': String(answer.body.length),
  })
})

test('where there are none there is an empty list, whatever is missing', async () => {
  await using registry = await registryWith()
  for (const missing of [
    path,
    `/v2/nowhere/referrers/${subject}`,
    `/v2/a/b/referrers/sha512:${'0'.repeat(128)}`,
  ]) {
    const answer = await registry.send(`GET ${missing}`)
    expect([answer.status, answer.headers['content-type']]).toEqual([200, MediaType.ociIndex])
    expect(answer.body.toString()).toBe(
      `{"schemaVersion":2,"mediaType":"${MediaType.ociIndex}","manifests":[]}`,
    )
  }
})

test.each([
  [`/v2/a/referrers/latest`, '400 DIGEST_INVALID'],
  [`/v2/a/referrers/`, '400 DIGEST_INVALID'],
  [`/v2/a/referrers/md5:${'0'.repeat(32)}`, '400 DIGEST_INVALID'],
  [`/v2/a/referrers/${subject.toUpperCase()}`, '400 DIGEST_INVALID'],
  [`/v2/A/referrers/${subject}`, '400 NAME_INVALID'],
  [`/v2/referrers/${subject}`, '404 UNSUPPORTED'],
  [`${path}?n=x`, '400 PAGINATION_NUMBER_INVALID'],
  [`${path}?n=-1`, '400 PAGINATION_NUMBER_INVALID'],
])('%s is refused', async (wrong, expected) => {
  await using registry = await HttpRegistry.start()
  expect(refusal(await registry.send(`GET ${wrong}`))).toBe(expected)
})

test('a repository may be called referrers', async () => {
  await using registry = await HttpRegistry.start()
  await registry.client.pushBlob('referrers', Buffer.from('{}'))
  const payload = referrerPayload('one')
  const headers = { 'content-type': MediaType.ociManifest }
  await registry.send('PUT /v2/referrers/manifests/x', { body: payload, headers })
  expect(digestsOf(await registry.send(`GET /v2/referrers/referrers/${subject}`))).toEqual([
    digestOf(payload),
  ])
  expect((await registry.send('GET /v2/referrers/tags/list')).status).toBe(200)
})

test('a push of a referrer is answered with its subject, and any other is not', async () => {
  await using registry = await registryWith()
  expect((await push(registry, referrerPayload('one'))).headers['oci-subject']).toBe(subject)
  const other = await push(registry, referrerPayload('none', { subject: undefined }))
  expect(other.headers).not.toHaveProperty('oci-subject')
})

describe('a filter', () => {
  const payloads = [
    ...named(4),
    ...named(6).map((_, number) => referrerPayload(`x${number}`, { artifactType: 'x/y+z' })),
  ]
  const wanted = payloads
    .slice(4)
    .map((payload) => digestOf(payload))
    .sort()

  test('is applied, and says so', async () => {
    await using registry = await registryWith(...payloads)
    const answer = await registry.send(`GET ${path}?artifactType=x/y%2Bz`)
    expect(answer.headers['oci-filters-applied']).toBe('artifactType')
    expect(digestsOf(answer)).toEqual(wanted)
  })

  test('holds on every page', async () => {
    await using registry = await registryWith(...payloads)
    const pages = await pagesOf(registry, `${path}?artifactType=x/y%2Bz&n=4`)
    expect(pages.map(digestsOf)).toEqual([wanted.slice(0, 4), wanted.slice(4)])
    for (const { headers } of pages) expect(headers['oci-filters-applied']).toBe('artifactType')
  })

  test('that nothing fits gives an empty list; one for nothing is none', async () => {
    await using registry = await registryWith(...payloads)
    const none = await registry.send(`GET ${path}?artifactType=none`)
    expect([digestsOf(none), none.headers['oci-filters-applied']]).toEqual([[], 'artifactType'])
    const empty = await registry.send(`GET ${path}?artifactType=`)
    expect([digestsOf(empty).length, empty.headers['oci-filters-applied']]).toEqual([10, undefined])
  })
})

describe('pages', () => {
  const payloads = named(7)
  const digests = payloads.map((payload) => digestOf(payload)).sort()

  test('have as many as were asked for, in order', async () => {
    await using registry = await registryWith(...payloads)
    for (const count of [1, 2, 6, 7, 8]) {
      const pages = await pagesOf(registry, `${path}?n=${count}`)
      expect(pages.flatMap(digestsOf)).toEqual(digests)
      expect(pages.map((page) => digestsOf(page).length).every((length) => length <= count)).toBe(true)
      expect(pages).toHaveLength(Math.ceil(7 / count))
    }
    expect(digestsOf(await registry.send(`GET ${path}?n=0`))).toEqual([])
  })

  test('go on behind any digest', async () => {
    await using registry = await registryWith(...payloads)
    const behind = (last: string) => registry.send(`GET ${path}?last=${last}`).then(digestsOf)
    expect(await behind(digests[2] as string)).toEqual(digests.slice(3))
    expect(await behind(`sha256:${'f'.repeat(64)}`)).toEqual([])
    expect(await behind('sha256')).toEqual(digests)
    expect(await behind('x')).toEqual([])
    expect(await behind('../..')).toEqual(digests)
  })

  test('end before clients stop to read', async () => {
    const long = Array.from({ length: 9 }, (_, number) =>
      referrerPayload(`${number}`, { annotations: { long: `${number}`.repeat(900_000) } }),
    )
    await using registry = await registryWith(...long)
    const pages = await pagesOf(registry, path)
    expect(pages.map((page) => digestsOf(page).length)).toEqual([4, 4, 1])
    expect(pages.flatMap(digestsOf)).toEqual(long.map((payload) => digestOf(payload)).sort())
    for (const { body } of pages) expect(body.length).toBeLessThan(4 * 1024 * 1024)
    expect(pages[0]?.headers.link).not.toContain('n=')
  })

  test('have room for a manifest that is all annotations, without them', async () => {
    const about = { mediaType: 'a/b', digest: subject, size: 7 }
    const allAnnotations = (long: string) =>
      payloadOf({ schemaVersion: 2, manifests: [], subject: about, annotations: { long } })
    const payload = allAnnotations('x'.repeat(4 * 1024 * 1024 - allAnnotations('').length))
    const headers = { 'content-type': MediaType.ociIndex }
    await using registry = await registryWith(...payloads)
    const pushed = await registry.send('PUT /v2/a/b/manifests/long', { body: payload, headers })
    expect(pushed.status).toBe(201)
    const pages = await pagesOf(registry, path)
    expect(pages.flatMap(digestsOf)).toEqual([...digests, digestOf(payload)].sort())
    for (const { body } of pages) expect(body.length).toBeLessThan(4 * 1024 * 1024)
    const entry = pages
      .flatMap((page) => indexOf(page).manifests)
      .find(({ digest }) => digest === digestOf(payload))
    expect(Object.keys(entry ?? {})).toEqual(['mediaType', 'digest', 'size'])
  })
})
