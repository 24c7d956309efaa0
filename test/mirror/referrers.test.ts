/** Referrers of an upstream, by its list and by its fallback tag. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'
import { type MirrorUnderTest, startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const subject = digestOf(Buffer.from('subject'))
const entries = ['one', 'two', 'three'].map((name, index) =>
  descriptorOf(name, {
    mediaType: MediaType.ociManifest,
    artifactType: index === 0 ? 'application/x.signature' : 'application/x.sbom',
    annotations: { name },
  }),
)
const sorted = [...entries].sort((a, b) => (String(a.digest) < String(b.digest) ? -1 : 1))

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
})
afterEach(() => upstream.stop())

async function list(mirror: MirrorUnderTest, query = '') {
  const answer = await mirror.http.send(`GET /v2/a/referrers/${subject}${query}`)
  return { answer, manifests: JSON.parse(answer.body.toString()).manifests }
}

test('are listed through all of its pages, and by ours', async () => {
  upstream.script = ({ url = '' }, response) => {
    if (!url.includes('/referrers/')) return false
    const isFirst = !url.includes('last=')
    const link = isFirst ? { link: `<${url}?last=x>; rel="next"` } : {}
    response.writeHead(200, { 'content-type': MediaType.ociIndex, ...link })
    response.end(payloadOf(indexJson({ manifests: isFirst ? entries.slice(0, 2) : entries.slice(2) })))
    return true
  }
  await using mirror = await startMirror({ url: upstream.url })
  expect((await list(mirror)).manifests).toEqual(sorted)
  const { answer, manifests } = await list(mirror, '?artifactType=application/x.signature')
  expect(manifests).toEqual([entries[0]])
  expect(answer.headers['oci-filters-applied']).toBe('artifactType')
  const page = await list(mirror, '?n=2')
  expect(page.manifests).toEqual(sorted.slice(0, 2))
  expect(page.answer.headers.link).toMatch(/^<\/v2\/a\/referrers\//)
})

test('are those of the fallback tag where it has no list', async () => {
  const index = Buffer.from(payloadOf(indexJson({ manifests: entries })))
  upstream.setTag('a', subject.replace(':', '-'), upstream.addManifest(index, MediaType.ociIndex))
  await using mirror = await startMirror({ url: upstream.url })
  expect((await list(mirror)).manifests).toEqual(sorted)
})

test('are none where it has neither', async () => {
  await using mirror = await startMirror({ url: upstream.url })
  expect((await list(mirror)).manifests).toEqual([])
})

test('are those that were pulled while it is down', async () => {
  const image = Buffer.from(
    payloadOf(imageJson({ subject: descriptorOf('subject', { mediaType: MediaType.ociManifest }) })),
  )
  const digest = upstream.addManifest(image, MediaType.ociManifest)
  await using mirror = await startMirror({ url: upstream.url })
  expect((await mirror.http.send(`GET /v2/a/manifests/${digest}`)).status).toBe(200)
  await upstream.stop()
  expect((await list(mirror)).manifests).toMatchObject([{ digest }])
})
