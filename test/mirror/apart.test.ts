/** Several upstreams beside what is hosted: nothing of one is seen under another. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { mirrorList } from '../../src/http/handlers/extension/operations-answer.ts'
import { basic, htpasswdOf, issuerSettings, rule } from '../support/access.ts'
import { described } from '../support/extension-answer.ts'
import { refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { name, startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

let one: ScriptedUpstream
let other: ScriptedUpstream
const payload = Buffer.from(payloadOf(imageJson({ layers: [descriptorOf('layer')] })))
const manifest = digestOf(payload)
const blob = randomBytes(100_000)
const digest = digestOf(blob)

beforeEach(async () => {
  one = await ScriptedUpstream.start()
  other = await ScriptedUpstream.start()
  one.addBlob(blob)
  one.setTag('library/a', 'v1', one.addManifest(payload, MediaType.ociManifest))
})
afterEach(async () => {
  await one.stop()
  await other.stop()
})

const namespaces = {
  byName: new Map([
    ['one.example', 'one.example'],
    ['registry.example', ''],
  ]),
  byHost: new Map([['hub.registry.example', 'one.example']]),
}

const start = (options = {}) =>
  startMirror(
    [
      { url: one.url, settings: { prefix: name('one.example'), lists: 'cached' } },
      { url: other.url, settings: { prefix: name('other.example'), lists: 'cached' } },
    ],
    { settings: { namespaces }, ...options },
  )

test('content is found below the prefix of its upstream only', async () => {
  await using mirror = await start()
  const found = await mirror.http.send('GET /v2/one.example/library/a/manifests/v1')
  expect([found.status, found.body]).toEqual([200, payload])
  expect((await mirror.http.send(`GET /v2/one.example/library/a/blobs/${digest}`)).status).toBe(200)
  await expect.poll(() => mirror.flights.count).toBe(0)
  for (const repository of ['other.example/library/a', 'library/a', 'one.example/library/b']) {
    expect((await mirror.http.send(`GET /v2/${repository}/manifests/v1`)).status).toBe(404)
    if (repository.startsWith('one')) continue
    expect((await mirror.http.send(`GET /v2/${repository}/manifests/${manifest}`)).status).toBe(404)
    expect((await mirror.http.send(`GET /v2/${repository}/blobs/${digest}`)).status).toBe(404)
  }
  expect(other.seen('GET', /./).every(({ path }) => path.startsWith('/v2/library/a/'))).toBe(true)
})

test('hosted repositories are pushed to, and mirrored ones are not', async () => {
  await using mirror = await start()
  await mirror.http.client.pushBlob('hosted/a', Buffer.from('a blob'))
  for (const repository of ['one.example/library/a', 'other.example/new'])
    expect(refusal(await mirror.http.send(`POST /v2/${repository}/blobs/uploads/`))).toBe('405 UNSUPPORTED')
  expect(refusal(await mirror.http.send('POST /v2/one.example/blobs/uploads/'))).toBe('404 NAME_UNKNOWN')
  expect(one.requests).toEqual([])
})

test('hosted repositories are pushed to and pulled from while an upstream says nothing', async () => {
  await using mirror = await start()
  one.script = () => true
  const { client } = mirror.http
  const waiting = client.manifest('one.example/library/a', 'v1').catch(() => undefined)
  await expect.poll(() => one.requests.length).toBeGreaterThan(0)
  const pushed = await client.pushBlob('hosted/a', Buffer.from('a blob'))
  expect(await client.hasBlob('hosted/a', pushed)).toBe(true)
  await one.stop()
  await waiting
})

describe('?ns=', () => {
  test('names the upstream, and the answer says that it was heeded', async () => {
    await using mirror = await start()
    const found = await mirror.http.send('GET /v2/library/a/manifests/v1?ns=one.example')
    expect([found.status, found.headers['oci-namespace']]).toEqual([200, 'one.example'])
    const blobs = await mirror.http.send(`GET /v2/library/a/blobs/${digest}?ns=one.example`)
    expect([blobs.status, blobs.headers['oci-namespace']]).toEqual([200, 'one.example'])
    const missing = await mirror.http.send('GET /v2/library/a/manifests/v2?ns=one.example')
    expect([missing.status, missing.headers['oci-namespace']]).toEqual([404, 'one.example'])
  })

  test('that nobody knows is unknown', async () => {
    await using mirror = await start()
    for (const namespace of ['two.example', 'http://one.example', '../one.example', ''])
      expect((await mirror.http.send(`GET /v2/library/a/manifests/v1?ns=${namespace}`)).status).toBe(404)
    expect(one.requests).toEqual([])
  })

  test('of the registry itself means what is hosted', async () => {
    await using mirror = await start()
    const blob = await mirror.http.client.pushBlob('hosted', Buffer.from('a blob'))
    expect((await mirror.http.send(`GET /v2/hosted/blobs/${blob}?ns=registry.example`)).status).toBe(200)
  })
})

test('a host of its own stands for an upstream', async () => {
  await using mirror = await start()
  const headers = { host: 'hub.registry.example' }
  expect((await mirror.http.send('GET /v2/library/a/manifests/v1', { headers })).status).toBe(200)
  const pushed = await mirror.http.send('POST /v2/library/a/blobs/uploads/', { headers })
  expect(refusal(pushed)).toBe('405 UNSUPPORTED')
})

test('the catalog shows what was pulled, by its names here', async () => {
  await using mirror = await start()
  await mirror.http.send('GET /v2/one.example/library/a/manifests/v1')
  const { body } = await mirror.http.send('GET /v2/_catalog')
  expect(JSON.parse(body.toString())).toEqual({ repositories: ['one.example/library/a'] })
})

test('the catalog shows what an upstream has, if that is configured and it answers', async () => {
  const list = (names: string[]) => (request: IncomingMessage, response: ServerResponse) => {
    if (!request.url?.startsWith('/v2/_catalog')) return false
    response.end(JSON.stringify({ repositories: names }))
    return true
  }
  one.script = list(['library/a', 'library/b'])
  other.script = list(['c'])
  await using mirror = await startMirror([
    { url: one.url, settings: { prefix: name('one.example'), lists: 'upstream' } },
    { url: other.url, settings: { prefix: name('other.example'), lists: 'upstream' } },
  ])
  await mirror.http.client.pushBlob('hosted', Buffer.from('a blob'))
  const catalog = async () =>
    JSON.parse((await mirror.http.send('GET /v2/_catalog')).body.toString()).repositories
  expect(await catalog()).toEqual([
    'hosted',
    'one.example/library/a',
    'one.example/library/b',
    'other.example/c',
  ])
  await mirror.http.send('GET /v2/one.example/library/a/manifests/v1')
  await one.stop()
  expect(await catalog()).toEqual(['hosted', 'one.example/library/a', 'other.example/c'])
})

test('the mirrors are listed', async () => {
  await using mirror = await start()
  const answer = await mirror.http.send('GET /v2/_entrepot/mirrors')
  expect([answer.status, described(mirrorList, answer)]).toEqual([200, { mirrors: [] }])
})

test('rules and challenges are about the names that repositories have here', async () => {
  await using folder = await temporaryFolder()
  const users = join(folder.path, 'users')
  await writeFile(users, htpasswdOf(['alice', 'bob']))
  const auth = {
    htpasswd: { realm: 'here', path: users },
    ...{ oidc: [], groups: {}, issuer: issuerSettings(folder.path) },
    rules: [rule('one.example/library/*', 'alice', 'pull'), rule('library/**', 'bob', 'pull')],
  }
  await using mirror = await start({ auth })
  const byNamespace = 'GET /v2/library/a/manifests/v1?ns=one.example'
  const challenged = await mirror.http.send(byNamespace)
  expect(challenged.status).toBe(401)
  expect(challenged.headers['www-authenticate']).toContain('scope="repository:one.example/library/a:pull"')
  for (const request of [byNamespace, 'GET /v2/one.example/library/a/manifests/v1']) {
    expect((await mirror.http.send(request, { headers: basic('alice') })).status).toBe(200)
    expect((await mirror.http.send(request, { headers: basic('bob') })).status).not.toBe(200)
  }
})
