/** The events of both generations of Distribution and of Entrepot, field by field, for the same requests. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import {
  EventReceiver,
  eventsIn,
  type ReceivedEvent,
  type ReceivedPost,
} from '../../support/event-receiver.ts'
import { gzippedLayer, type Image, imageOf, indexOf, mediaTypes, sha256 } from '../../support/oci-image.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const layer = gzippedLayer([{ path: 'a', content: Buffer.from('a') }])
const image = imageOf([layer])
const platform = { os: 'linux', architecture: 'amd64' }
const index = indexOf([{ image, platform }])
const dockerManifest = dockerImage(image)

const layerDigest = layer.descriptor.digest
const imageDigest = image.manifest.descriptor.digest
const emptyBlob = Buffer.alloc(0)

const DELETE_OF_TAG = 'DELETE of a tag'

type Step = readonly [string, (send: Send) => Promise<unknown>]

type Send = (request: string, options?: RequestInit) => Promise<Response>

/** Everything that a client may do, step by step. */
const steps: readonly Step[] = [
  ['a blob in one PUT', (send) => pushBlob(send, image.config.bytes)],
  ['a blob in a PATCH and a PUT', (send) => pushInParts(send, layer.bytes)],
  ['an empty blob', (send) => pushBlob(send, emptyBlob)],
  ['an image by a tag', (send) => putManifest(send, 'a/b/manifests/one', image.manifest)],
  [
    'the same image by its digest',
    (send) => putManifest(send, `a/b/manifests/${imageDigest}`, image.manifest),
  ],
  ['an image in Docker’s words', (send) => putManifest(send, 'a/b/manifests/docker', dockerManifest)],
  ['an index', (send) => putManifest(send, 'a/b/manifests/index', index.manifest)],
  ['HEAD of a blob', (send) => send(`HEAD /v2/a/b/blobs/${layerDigest}`)],
  ['GET of a blob', (send) => send(`GET /v2/a/b/blobs/${layerDigest}`)],
  ['GET of a part', (send) => send(`GET /v2/a/b/blobs/${layerDigest}`, { headers: { range: 'bytes=1-2' } })],
  ['HEAD of a tag', (send) => send('HEAD /v2/a/b/manifests/one', accept)],
  ['GET of a tag', (send) => send('GET /v2/a/b/manifests/one', accept)],
  ['GET of a digest', (send) => send(`GET /v2/a/b/manifests/${imageDigest}`, accept)],
  ['GET of an index', (send) => send('GET /v2/a/b/manifests/index', accept)],
  [
    'GET of a manifest that the client has',
    (send) =>
      send(`GET /v2/a/b/manifests/${imageDigest}`, {
        headers: { ...accept.headers, 'if-none-match': `"${imageDigest}"` },
      }),
  ],
  ['GET of what is not there', (send) => send(`GET /v2/a/b/blobs/${sha256(Buffer.from('none'))}`)],
  ['the list of tags', (send) => send('GET /v2/a/b/tags/list')],
  ['a mount', (send) => send(`POST /v2/c/blobs/uploads/?mount=${layerDigest}&from=a/b`)],
  ['DELETE of a blob', (send) => send(`DELETE /v2/c/blobs/${layerDigest}`)],
  [DELETE_OF_TAG, (send) => send('DELETE /v2/a/b/manifests/docker')],
  ['another tag', (send) => putManifest(send, 'a/b/manifests/two', image.manifest)],
  ['DELETE of a manifest with two tags', (send) => send(`DELETE /v2/a/b/manifests/${imageDigest}`)],
  ['DELETE of what is not there', (send) => send(`DELETE /v2/a/b/manifests/${imageDigest}`)],
]

const accept = { headers: { accept: Object.values(mediaTypes).join(', ') } }

const generations: [string, { tool: string; start: StartRegistry; format: string }][] = [
  ['2', { tool: 'docker-registry', start: (options) => startDistribution(options), format: 'distribution2' }],
  [
    '3',
    { tool: 'registry', start: (options) => startDistribution(options, 'registry'), format: 'distribution3' },
  ],
]

for (const [generation, { tool, start, format }] of generations) {
  describeWith([tool], `the events of Distribution ${generation} and of Entrepot`, () => {
    test('are the same, field by field', async () => {
      // Generation 2 deletes manifests by digest only.
      const made = steps.filter(([title]) => generation === '3' || title !== DELETE_OF_TAG)
      const theirs = await eventsOf(start, { steps: made, parts: {} })
      const counts = theirs.map(({ events }) => events.length)
      const ours = await eventsOf(startEntrepot, { steps: made, parts: { format }, counts })
      expect(theirs.flatMap(({ events }) => events).length).toBeGreaterThan(18)
      for (const [step, { title, events }] of theirs.entries())
        expect({ title, events: ours[step]?.events }).toEqual({ title, events })
    })
  })
}

interface Told {
  readonly title: string
  readonly events: readonly unknown[]
}

/** What a receiver is told of each step.
 *  @param counts how many events are waited for after each step; Distribution sends them all one after the other, so there a last
 *    request tells that a step's are through */
async function eventsOf(
  start: StartRegistry,
  { steps, parts, counts }: { steps: readonly Step[]; parts: object; counts?: readonly number[] },
): Promise<Told[]> {
  await using receiver = await EventReceiver.start()
  await using folder = await temporaryFolder()
  const passwords = join(folder.path, 'htpasswd')
  await writeFile(passwords, `ada:${await hash('secret', 4)}\n`)
  await using server = await start({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: {
      auth: { htpasswd: { realm: 'test', path: passwords } },
      notifications: {
        events: { includereferences: true },
        endpoints: [{ name: 'receiver', url: receiver.url, timeout: '5s', ...parts }],
      },
    },
  })
  const send: Send = async (request, { headers, ...options } = {}) => {
    const [method = '', path = ''] = request.split(' ')
    const authorization = `Basic ${Buffer.from('ada:secret').toString('base64')}`
    const response = await fetch(new URL(path, server.url), {
      ...options,
      method,
      headers: { 'user-agent': 'a client/1.0', authorization, ...(headers as Record<string, string>) },
    })
    return new Response(await response.arrayBuffer(), { headers: response.headers })
  }
  await pushBlob(send, Buffer.from('last'), 'last')
  await expect.poll(() => receiver.posts.length).toBe(1)
  receiver.forget()
  const told: Told[] = []
  for (const [step, [title, work]] of steps.entries()) {
    await work(send)
    if (counts === undefined) {
      await send(`HEAD /v2/last/blobs/${sha256(Buffer.from('last'))}`)
      await expect.poll(() => receiver.events.some(({ target }) => target.repository === 'last')).toBe(true)
    } else await expect.poll(() => receiver.posts.length).toBeGreaterThanOrEqual(counts[step] ?? 0)
    const posts = receiver.posts.filter(({ body }) => eventsIn(body)[0]?.target.repository !== 'last')
    told.push({ title, events: posts.map((post) => plain(post, server.url)).sort(byText) })
    receiver.forget()
  }
  return told
}

/** Without what differs each time, of which it is checked what it looks like. */
function plain({ headers, body }: ReceivedPost, url: string) {
  const event = eventsIn(body)[0] as ReceivedEvent
  const { id, timestamp, request, source, target } = event
  expect(id).toMatch(UUID)
  expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)$/)
  expect(request.id).toMatch(UUID)
  expect(request.addr).toMatch(/^127\.0\.0\.1:\d+$/)
  expect(request.host).toBe(new URL(url).host)
  expect(source.addr).toMatch(/^[\w.-]+:\d+$/)
  expect(source.instanceID).toMatch(UUID)
  const link = target.url === undefined ? {} : { url: String(target.url).replace(url, '') }
  return {
    type: headers['content-type'],
    ...{ ...event, id: '', timestamp: '', source: { ...source, addr: '', instanceID: '' } },
    target: { ...target, ...link },
    request: { ...request, id: '', addr: '', host: '' },
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

function byText(one: unknown, other: unknown): number {
  return JSON.stringify(sortedKeys(one)) < JSON.stringify(sortedKeys(other)) ? -1 : 1
}

function sortedKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, child]) => [key, sortedKeys(child)]),
  )
}

async function pushBlob(send: Send, bytes: Buffer, repository = 'a/b'): Promise<void> {
  const begun = await send(`POST /v2/${repository}/blobs/uploads/`)
  await send(`PUT ${finishOf(begun, bytes)}`, { body: new Uint8Array(bytes), headers: octets })
}

async function pushInParts(send: Send, bytes: Buffer): Promise<void> {
  const begun = await send('POST /v2/a/b/blobs/uploads/')
  const patched = await send(`PATCH ${pathOf(begun)}`, { body: new Uint8Array(bytes), headers: octets })
  await send(`PUT ${finishOf(patched, bytes)}`)
}

const octets = { 'content-type': 'application/octet-stream' }

function pathOf({ headers }: Response): string {
  const { pathname, search } = new URL(headers.get('location') ?? '', 'http://registry')
  return pathname + search
}

function finishOf(response: Response, bytes: Buffer): string {
  const path = pathOf(response)
  return `${path}${path.includes('?') ? '&' : '?'}digest=${sha256(bytes)}`
}

function putManifest(
  send: Send,
  path: string,
  { descriptor, bytes }: { descriptor: { mediaType: string }; bytes: Buffer },
) {
  const headers = { 'content-type': descriptor.mediaType }
  return send(`PUT /v2/${path}`, { body: new Uint8Array(bytes), headers })
}

function dockerImage({ config, layers }: Image) {
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
  const json = {
    schemaVersion: 2,
    mediaType,
    config: { ...config.descriptor, mediaType: 'application/vnd.docker.container.image.v1+json' },
    layers: layers.map(({ descriptor }) => ({
      ...descriptor,
      mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
    })),
  }
  return { descriptor: { mediaType }, bytes: Buffer.from(JSON.stringify(json)) }
}
