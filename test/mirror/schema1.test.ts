/** Docker's schema 1 through a mirror: as the upstream sends it, with its signatures, whatever may be pushed here. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { newSigner, prettyJws, schema1Layers, schema1Payload, signatureOf } from '../support/schema1.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const payload = schema1Payload()
const digest = digestOf(payload)
const document = prettyJws(payload, [signatureOf(payload, newSigner('ES256'))])

test.each([true, false])('schema 1 is served as it comes (pushes of it are allowed: %s)', async (schema1) => {
  await using upstream = await ScriptedUpstream.start()
  for (const layer of schema1Layers) upstream.addBlob(Buffer.from(layer))
  upstream.script = ({ method, url = '' }, response) => {
    if (!url.includes('/manifests/')) return false
    response.writeHead(200, {
      'content-type': MediaType.dockerSchema1Signed,
      'content-length': document.length,
      'docker-content-digest': digest,
    })
    response.end(method === 'HEAD' ? undefined : document)
    return true
  }
  const policy = { ...DEFAULT_POLICY, schema1 }
  await using mirror = await startMirror({ url: upstream.url }, { policy })
  for (const reference of ['latest', digest, 'latest', digest]) {
    const { status, headers, body } = await mirror.http.send(`GET /v2/a/manifests/${reference}`)
    expect([status, headers['content-type'], headers['docker-content-digest']]).toEqual([
      200,
      MediaType.dockerSchema1Signed,
      digest,
    ])
    expect(body.toString()).toBe(document.toString())
  }
  const layer = Buffer.from(schema1Layers[0])
  const { body } = await mirror.http.send(`GET /v2/a/blobs/${digestOf(layer)}`)
  expect(body.equals(layer)).toBe(true)
  expect(upstream.seen('GET', /manifests/)).toHaveLength(1)
})
