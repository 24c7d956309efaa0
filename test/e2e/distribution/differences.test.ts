/** docs/coming-from-distribution.md: each difference that a client can see, at both. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const bytes = randomBytes(1000)
const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
const manifest = image.manifest.descriptor.digest

type Ask = (url: string) => Promise<unknown>

const status =
  (method: string, path: string, init: RequestInit = {}): Ask =>
  async (url) =>
    (await fetch(`${url}${path}`, { method, redirect: 'manual', ...init })).status

async function tagsOf(url: string, query: string): Promise<{ tags: string[]; link: string | null }> {
  const answer = await fetch(`${url}/v2/a/tags/list${query}`)
  return { tags: ((await answer.json()) as { tags: string[] }).tags, link: answer.headers.get('link') }
}

async function locationOf(url: string): Promise<string> {
  const { headers } = await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
  return (headers.get('location') ?? '').replace(/[\w-]{36}.*/, '').replace(url, '<url>')
}

/** What is asked, what Distribution 2.8 answers, and Entrepot. */
const differences: [string, Ask, unknown, unknown][] = [
  ['where uploads are', locationOf, '<url>/v2/a/blobs/uploads/', '/v2/a/blobs/uploads/'],
  [
    'a blob in a single POST',
    status('POST', `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, { body: bytes }),
    202,
    201,
  ],
  [
    'a mount without its source',
    status('POST', `/v2/b/blobs/uploads/?mount=${image.config.descriptor.digest}`),
    202,
    201,
  ],
  [
    'pages of tags',
    (url) => tagsOf(url, '?n=1'),
    { tags: ['latest', 'other'], link: null },
    {
      tags: ['latest'],
      link: '</v2/a/tags/list?last=latest&n=1>; rel="next"',
    },
  ],
  ['referrers', status('GET', `/v2/a/referrers/${manifest}`), 404, 200],
  ['a probe', status('GET', '/'), 200, 200],
  ['a tag that is deleted', status('DELETE', '/v2/a/manifests/other'), 400, 202],
  ['a manifest that is deleted', status('DELETE', `/v2/a/manifests/${manifest}`), 202, 202],
]

describeWith(['docker-registry'], 'Distribution and Entrepot', () => {
  let folder: TemporaryFolder
  const servers: ServerProcess[] = []

  beforeAll(async () => {
    folder = await temporaryFolder()
    for (const [name, start] of Object.entries({
      distribution: startDistribution,
      entrepot: startEntrepot,
    })) {
      const server = await start({ dataFolder: join(folder.path, name), configFolder: folder.path })
      servers.push(server)
      const client = new RegistryClient(server.url)
      for (const tag of ['latest', 'other']) await client.pushImage('a', { tag, image })
    }
  })
  afterAll(async () => {
    for (const server of servers) await server.kill()
    await folder?.remove()
  })

  test.each(differences)('%s', async (_title, ask, ofDistribution, ofEntrepot) => {
    const answers = []
    for (const { url } of servers) answers.push(await ask(url))
    expect(answers).toEqual([ofDistribution, ofEntrepot])
  })
})
