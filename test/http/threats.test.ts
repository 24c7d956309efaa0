/** What an attacker sends, and that nothing comes of it. Slow clients, full disks and logs have suites of their own. */
import { readdir, writeFile } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'
import { seededRandom } from '../support/random.ts'
import { filesBelow } from '../support/storage-tree.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const uploads = '/v2/a/blobs/uploads/'

async function registryWithBlobs(): Promise<HttpRegistry> {
  const registry = await HttpRegistry.start()
  for (const name of ['config', 'layer one', 'layer two']) {
    await registry.client.pushBlob('a', Buffer.from(name))
  }
  return registry
}

function putManifest(registry: HttpRegistry, body: Uint8Array | string, contentType: string, tag = 'x') {
  return registry.send(`PUT /v2/a/manifests/${tag}`, { body, headers: { 'content-type': contentType } })
}

describe('digests have one form', () => {
  const hex = digestOf(Buffer.from('config')).slice('sha256:'.length)
  const confused = [
    `md5:${hex.slice(0, 32)}`,
    `sha1:${hex.slice(0, 40)}`,
    `sha256:${hex.toUpperCase()}`,
    `SHA256:${hex}`,
    `sha256:${hex.slice(1)}`,
    `sha256:${hex}0`,
    `sha512:${hex}`,
    `sha256:${hex}%0a`,
    `sha256:%20${hex}`,
    `sha256+b64:${hex}`,
    `sha256:${hex.slice(0, 62)}..`,
    'sha256:',
    ':',
  ]

  test.each(confused)('%s is refused wherever one is asked for', async (digest) => {
    await using registry = await registryWithBlobs()
    const { location } = (await registry.send(`POST ${uploads}`)).headers
    const requests = [
      `GET /v2/a/blobs/${digest}`,
      `DELETE /v2/a/blobs/${digest}`,
      `GET /v2/a/manifests/${digest}`,
      `PUT /v2/a/manifests/${digest}`,
      `GET /v2/a/referrers/${digest}`,
      `GET /v2/a/_entrepot/signatures/${digest}`,
      `POST ${uploads}?digest=${digest}`,
      `PUT ${location}?digest=${digest}`,
    ]
    for (const request of requests) {
      expect([request, refusal(await registry.send(request))]).toEqual([request, '400 DIGEST_INVALID'])
    }
    const image = imageJson({ layers: [descriptorOf('x', { digest: decodeURIComponent(digest) })] })
    expect(refusal(await putManifest(registry, payloadOf(image), MediaType.ociManifest))).toBe(
      '400 MANIFEST_INVALID',
    )
  })
})

const names = [
  '..',
  '../..',
  '../../outside',
  'a/..',
  'a/../../outside',
  '%2e%2e',
  '%2e%2e/%2e%2e/outside',
  'a/%2e%2e/b',
  '%252e%252e',
  '..%2foutside',
  'a%5c..%5cb',
  'a%00',
  'a%00/../b',
  '%ff',
  '%c0%ae%c0%ae',
  '%',
  '/etc',
  '',
  'a//b',
  'a/./b',
  '_uploads',
  'a/_uploads',
  'a/_layers/sha256',
  'a/_manifests/tags',
  '~',
  'a b',
  'A',
  'a%0d%0ax-injected:%20yes',
].map((name) => name.replaceAll(' ', '%20'))

const attempts = names.flatMap((name) => [
  `GET /v2/${name}/tags/list`,
  `GET /v2/${name}/referrers/${digestOf(Buffer.from('secret'))}`,
  `GET /v2/${name}/_entrepot/signatures/${digestOf(Buffer.from('secret'))}`,
  `POST /v2/${name}/blobs/uploads/`,
  `PUT /v2/${name}/manifests/latest`,
  `GET /v2/a/manifests/${name}/x`,
  `PUT /v2/a/blobs/uploads/${name}/x?digest=${digestOf(Buffer.from(''))}`,
  `PATCH /v2/a/blobs/uploads/${name}/x`,
  `DELETE /v2/a/blobs/uploads/${name}/x`,
  `DELETE /v2/${name}/blobs/${digestOf(Buffer.from('secret'))}`,
])

const references = [
  '..',
  '.',
  '%2e%2e',
  '..%2f..',
  '%00',
  '',
  'x%00',
  '%2e%2e%2f%2e%2e%2fstartedat',
  '-',
  '.x',
]

describe('no path leads out of its place', () => {
  test('by a name, a reference or an upload', async () => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: `${folder.path}/root` })
    await using registry = await HttpRegistry.start({ driver })
    await registry.client.pushBlob('b', Buffer.from('bytes'))
    const before = await filesBelow(folder.path)
    const requests = [
      ...attempts,
      ...references.flatMap((reference) => [
        `GET /v2/b/manifests/${reference}`,
        `PUT /v2/b/manifests/${reference}`,
        `DELETE /v2/b/manifests/${reference}`,
        `GET /v2/b/blobs/${reference}`,
        `DELETE /v2/b/blobs/${reference}`,
        `PATCH /v2/b/blobs/uploads/${reference}x`,
        `DELETE /v2/b/blobs/uploads/${reference}x`,
      ]),
    ]
    for (const request of requests) {
      using connection = await registry.connect()
      connection.writeHead(`${request} HTTP/1.1`, 'Host: localhost', 'Content-Length: 0', 'Connection: close')
      await connection.closed
      const [, status] = /^HTTP\/1\.1 (\d+) /.exec(connection.received) ?? []
      expect({ request, status }).toEqual({
        request,
        status: expect.stringMatching(/^(301|308|400|404|405)$/),
      })
      if (!status?.startsWith('3')) expect(connection.received).toContain('{"errors":[{"code":')
      expect(connection.received).not.toMatch(/^x-injected/im)
    }
    expect(await filesBelow(folder.path)).toEqual(before)
  })
})

describe('a mount leads out of no place', () => {
  test('by the name of its source', async () => {
    await using folder = await temporaryFolder()
    const driver = await FilesystemDriver.open({ root: `${folder.path}/root` })
    await using registry = await HttpRegistry.start({ driver })
    await writeFile(`${folder.path}/outside`, 'secret')
    await registry.client.pushBlob('b', Buffer.from('bytes'))
    for (const name of names) {
      const path = `/v2/b/blobs/uploads/?mount=${digestOf(Buffer.from('secret'))}&from=${name}`
      const answer = await registry.send(`POST ${path}`)
      expect({ name, status: answer.status }).toEqual({ name, status: 202 })
      expect((await registry.send(`DELETE ${answer.headers.location}`)).status).toBe(204)
    }
    expect(await readdir(folder.path)).toEqual(['outside', 'root'])
    expect(await registry.client.catalog()).toEqual(['b'])
  })
})

describe('a bomb is refused before it goes off', () => {
  const bombs: [string, string][] = [
    ['brackets', '['.repeat(100_000)],
    ['braces', '{"a":'.repeat(100_000)],
    ['both, closed', `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`],
    ['values', `[${'0,'.repeat(2_000_000)}0]`],
    ['strings that never end', `{"${'\\"'.repeat(1_900_000)}`],
  ]

  test.each(bombs)('%s', async (_name, bomb) => {
    await using registry = await HttpRegistry.start()
    const milliseconds: number[] = []
    for (let round = 0; round < 5; round++) {
      const start = performance.now()
      const answer = await putManifest(registry, bomb, MediaType.ociManifest)
      milliseconds.push(performance.now() - start)
      expect(refusal(answer)).toBe('400 MANIFEST_INVALID')
    }
    expect(Math.min(...milliseconds)).toBeLessThan(500)
  })

  test('a manifest of 5 MiB, with or without saying so', async () => {
    await using registry = await HttpRegistry.start()
    const body = Buffer.alloc(5 * 1024 * 1024, ' ')
    expect(refusal(await putManifest(registry, body, MediaType.ociManifest))).toBe('413 MANIFEST_INVALID')
    expect((await registry.send('GET /v2/')).status).toBe(200)
  })

  test('an index of indexes that names two to the thirtieth images', async () => {
    await using registry = await registryWithBlobs()
    let child: Uint8Array = payloadOf(imageJson())
    await putManifest(registry, child, MediaType.ociManifest)
    let mediaType: string = MediaType.ociManifest
    const start = performance.now()
    for (let level = 0; level < 30; level++) {
      const entry = { mediaType, digest: digestOf(child), size: child.length }
      child = payloadOf(indexJson({ manifests: [entry, { ...entry, annotations: { second: 'yes' } }] }))
      mediaType = MediaType.ociIndex
      expect((await putManifest(registry, child, mediaType)).status).toBe(201)
    }
    expect((await registry.send('GET /v2/a/manifests/x')).body).toEqual(child)
    expect((await registry.send(`DELETE /v2/a/manifests/${digestOf(child)}`)).status).toBe(202)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})

test('a page as long as the client likes is no longer than the registry likes', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  await using registry = await registryWithBlobs()
  const image = payloadOf(imageJson())
  for (let n = 0; n < 1100; n++) await putManifest(registry, image, MediaType.ociManifest, `tag-${n}`)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const answer = await registry.send('GET /v2/a/tags/list?n=1000000000')
  collectGarbage()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(10 * 1024 * 1024)
  expect(JSON.parse(answer.body.toString()).tags).toHaveLength(1000)
})

describe('names that JavaScript knows are names like others', () => {
  const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf']

  test('in paths and queries', async () => {
    await using registry = await registryWithBlobs()
    const image = payloadOf(imageJson())
    for (const name of names) {
      expect((await putManifest(registry, image, MediaType.ociManifest, name)).status).toBe(201)
      expect((await registry.send(`GET /v2/a/manifests/${name}`)).body).toEqual(image)
      expect(
        (await registry.send(`GET /v2/${name.toLowerCase()}/tags/list?${name}=1&${name}[x]=2`)).status,
      ).toBe(name === '__proto__' ? 400 : 404)
      expect((await registry.send(`POST ${uploads}?${name}=x`)).status).toBe(202)
    }
    expect(await registry.client.tags('a')).toEqual([...names].sort())
  })

  test('in manifests', async () => {
    await using registry = await registryWithBlobs()
    const poison = '{"polluted":"yes","isAdmin":true,"mediaType":"text/html"}'
    const image = JSON.stringify(imageJson()).replace(
      /^\{/,
      `{"__proto__":${poison},"constructor":{"prototype":${poison}},`,
    )
    expect((await putManifest(registry, image, MediaType.ociManifest)).status).toBe(201)
    const answer = await registry.send('GET /v2/a/manifests/x')
    expect([answer.body.toString(), answer.headers['content-type']]).toEqual([image, MediaType.ociManifest])
    const onlyInherited = `{"__proto__":${JSON.stringify(imageJson())}}`
    expect(refusal(await putManifest(registry, onlyInherited, MediaType.ociManifest))).toBe(
      '400 MANIFEST_INVALID',
    )
    expect(Object.keys(Object.prototype)).toEqual([])
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('one request is one request', () => {
  const smuggled = 'DELETE /v2/a/manifests/x HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const cases: [string, string[], string][] = [
    ['a length and chunks', ['Content-Length: 4', 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['chunks and a length', ['Transfer-Encoding: chunked', 'Content-Length: 4'], `0\r\n\r\n${smuggled}`],
    ['two lengths', ['Content-Length: 0', `Content-Length: ${smuggled.length}`], smuggled],
    ['a list of lengths', [`Content-Length: 0, ${smuggled.length}`], smuggled],
    ['a length with a sign', ['Content-Length: +0'], smuggled],
    ['a length in hex', ['Content-Length: 0x0'], smuggled],
    ['an encoding nobody knows', ['Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`],
    ['chunked that is not last', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`],
    ['a space before the colon', ['Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`],
    ['a folded line', ['X-Folded: a', ' Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['a bare line feed', ['X-Line: a\nTransfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['a bare carriage return', ['X-Line: a\rTransfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`],
    ['a NUL', ['X-Nul: a\0'], smuggled],
    ['a chunk size that is none', ['Transfer-Encoding: chunked'], `0x\r\n\r\n${smuggled}`],
  ]

  test.each(cases)('%s', async (_name, lines, body) => {
    await using registry = await registryWithBlobs()
    await putManifest(registry, payloadOf(imageJson()), MediaType.ociManifest)
    using connection = await registry.connect()
    connection.writeHead(
      `POST ${uploads}?digest=${digestOf(Buffer.from(''))} HTTP/1.1`,
      'Host: localhost',
      ...lines,
    )
    connection.write(body)
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 /)
    expect(connection.received).not.toContain('202 Accepted')
    expect((await registry.send('GET /v2/a/manifests/x')).status).toBe(200)
  })

  test('no line can be added to an answer', async () => {
    await using registry = await HttpRegistry.start()
    const injection = '%0d%0aSet-Cookie:%20stolen=1'
    const requests = [
      `GET /v2/a${injection}/tags/list`,
      `GET /v2/a/manifests/x${injection}`,
      `GET /v2/a/blobs/x${injection}`,
      `POST ${uploads}${injection}`,
      `POST ${uploads}?digest-algorithm=${injection}`,
      `GET /v2/_catalog?last=${injection}&n=1`,
    ]
    for (const request of requests) {
      const answer = await registry.send(request, { headers: { 'x-request-id': 'a%0d%0aSet-Cookie: b' } })
      expect(answer.headers['set-cookie']).toBeUndefined()
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})

test('no header brings the process down', async () => {
  await using registry = await registryWithBlobs()
  const random = seededRandom('headers')
  const digest = digestOf(Buffer.from('config'))
  const { location } = (await registry.send(`POST ${uploads}`)).headers
  const requests = [
    `GET /v2/a/blobs/${digest}`,
    `HEAD /v2/a/blobs/${digest}`,
    `PATCH ${location}`,
    `PUT ${location}`,
    'PUT /v2/a/manifests/x',
    'GET /v2/a/manifests/x',
    'GET /v2/_catalog?n=1',
    'OPTIONS *',
    'CONNECT localhost:1',
    'TRACE /v2/',
    'GET http://evil.example/v2/',
  ]
  const names = [
    'Accept',
    'Authorization',
    'Connection',
    'Content-Length',
    'Content-Range',
    'Content-Type',
    'Cookie',
    'Expect',
    'Forwarded',
    'Host',
    'If-None-Match',
    'If-Range',
    'Range',
    'Transfer-Encoding',
    'Upgrade',
    'X-Forwarded-Host',
    'X-Request-Id',
  ]
  const values = [
    '',
    ' ',
    ',,,',
    ';q=',
    '"',
    'W/"',
    'bytes=0-',
    `bytes=${'9'.repeat(400)}-`,
    '-1',
    '1e400',
    'NaN',
    '%',
    '%00',
    'é\xff\x80',
    '\x01',
    '100-continue',
    '417',
    'upgrade',
    'h2c',
    'chunked',
    'a'.repeat(70_000),
  ]
  for (let round = 0; round < 400; round++) {
    using connection = await registry.connect()
    const value = random.pick([...values, random.bytes(1 + random.below(40)).toString('latin1')])
    const head = `${random.pick(requests)} HTTP/1.1\r\nHost: localhost\r\n${random.pick(names)}: ${value}\r\nConnection: close\r\n\r\n`
    connection.socket.end(Buffer.from(head, 'latin1'))
    await connection.closed
  }
  expect((await registry.send(`GET /v2/a/blobs/${digest}`)).body.toString()).toBe('config')
})
