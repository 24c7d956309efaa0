/** What operators see of a mirror: the metrics by their names, and the list of mirrors. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { mirrorList } from '../../src/http/handlers/extension/operations-answer.ts'
import { basic, htpasswdOf } from '../support/access.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { Exposition } from '../support/exposition.ts'
import { described } from '../support/extension-answer.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('hits, misses, bytes, the rate limit and the breaker are counted, and listed for those who log in', async () => {
  await using upstream = await ScriptedUpstream.start()
  await using folder = await temporaryFolder()
  const layer = randomBytes(50_000)
  const digest = upstream.addBlob(layer)
  const layers = [descriptorOf('', { digest: digestOf(layer), size: layer.length })]
  upstream.setTag(
    'a',
    'v1',
    upstream.addManifest(Buffer.from(payloadOf(imageJson({ layers }))), MediaType.ociManifest),
  )
  upstream.script = (_, response) => {
    response.setHeader('ratelimit-limit', '100;w=21600').setHeader('ratelimit-remaining', '42;w=21600')
    return false
  }
  const users = join(folder.path, 'users')
  await writeFile(users, htpasswdOf(['alice']))
  await using server = await startEntrepot({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: {
      http: { addr: '127.0.0.1:0', debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } },
      auth: { htpasswd: { realm: 'here', path: users } },
      mirrors: [{ upstream: upstream.url, prefix: 'hub' }],
    },
  })
  const headers = basic('alice')
  const get = async (path: string) => {
    const answer = await fetch(`${server.url}${path}`, { headers })
    return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }
  }
  const debugUrl = /"debugAddress":"([^"]+)"/.exec(server.output)?.[1]
  const metric = async (name: string) => {
    const page = new Exposition(await (await fetch(`${debugUrl}/metrics`)).text())
    return page.value(`registry_proxy_${name}`, { upstream: upstream.host })
  }

  expect((await get('/v2/hub/a/manifests/v1')).status).toBe(200)
  expect((await get(`/v2/hub/a/blobs/${digest}`)).body.equals(layer)).toBe(true)
  await expect.poll(() => metric('pulled_bytes_total')).toBe(layer.length)
  expect(await metric('misses_total')).toBe(2)
  expect(await metric('saved_bytes_total')).toBe(0)
  expect(await metric('rate_limit_remaining')).toBe(42)
  expect(await metric('breaker_state')).toBe(0)

  const hits = (await metric('hits_total')) ?? Number.NaN
  await expect
    .poll(async () => {
      await get(`/v2/hub/a/blobs/${digest}`)
      return metric('saved_bytes_total')
    })
    .toBeGreaterThanOrEqual(layer.length)
  expect(await metric('hits_total')).toBeGreaterThan(hits)
  expect(await metric('misses_total')).toBe(2)

  upstream.script = (_, response) => {
    response.writeHead(503).end()
    return true
  }
  for (let failure = 1; failure <= 3; failure++)
    expect((await get('/v2/hub/a/manifests/v1')).status).toBe(200)
  expect(await metric('breaker_state')).toBe(2)
  expect(await metric('stale_hits_total')).toBe(3)

  const answer = await get('/v2/_entrepot/mirrors')
  expect(answer.status).toBe(200)
  expect(described(mirrorList, answer)).toEqual({
    mirrors: [
      expect.objectContaining({
        ...{ prefix: 'hub', host: upstream.host, breaker: 'open', misses: 2, staleHits: 3 },
        ...{ fetchedBytes: layer.length, rateLimit: { limit: 100, remaining: 42 } },
      }),
    ],
  })
  expect((await fetch(`${server.url}/v2/_entrepot/mirrors`)).status).toBe(401)
})
