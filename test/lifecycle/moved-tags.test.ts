/** What a tag named before it was moved is kept for a while, and can be put back. */
import { expect, test } from 'vitest'
import type { Descriptor } from '../../src/core/descriptor.ts'
import { digestOf } from '../../src/core/digest.ts'
import {
  DecoratedRepositories,
  ForwardingRepository,
  ForwardingTags,
} from '../../src/core/forwarding-registry.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag, type Tag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { EmptiedRepositories } from '../../src/lifecycle/history/emptied.ts'
import { Recorder } from '../../src/lifecycle/history/recorder.ts'
import { HistoryRegistry } from '../../src/lifecycle/history/registry.ts'
import { RestorableContent } from '../../src/lifecycle/history/restorable-content.ts'
import { tidyHistory } from '../../src/lifecycle/history/upkeep.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushManifest } from '../contract/registry/support.ts'
import { imageOf, indexOf, isThere, push, put, referrerOf } from '../gc/untagged-images.ts'
import { type HttpRegistry, quiet, refusal } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import {
  changesOf,
  collectWithHistory,
  deletionsOf,
  restore,
  startWithHistory,
} from './history-under-test.ts'

const NAME = 'team/app'
const name = parseRepositoryName(NAME)
const DAY_MS = 24 * 3_600_000

const named = (registry: HttpRegistry, tag = 'latest') =>
  registry.registry.repository(name).tags.get(parseTag(tag))

/** Pushes two images as the same tag.
 *  @returns the id of the move */
async function moved(registry: HttpRegistry, ...images: readonly ReturnType<typeof imageOf>[]) {
  for (const manifest of images) await push(registry, NAME, { manifest, reference: 'latest' })
  const [change] = await changesOf(registry, NAME, '?tag=latest')
  return change!
}

test.for([
  ['in memory', async () => ({ driver: new MemoryDriver(), [Symbol.asyncDispose]: async () => {} })],
  [
    'on a disk',
    async () => {
      const folder = await temporaryFolder()
      const driver = await FilesystemDriver.open({ root: folder.path })
      return { driver, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
    },
  ],
] as const)('a collection keeps what a tag named before, and it is put back: %s', async ([, open]) => {
  await using place = await open()
  await using registry = await startWithHistory({ driver: place.driver })
  const [child, other] = [imageOf('child'), imageOf('other')]
  const index = indexOf(child)
  const signature = referrerOf(index, 'signature')
  for (const manifest of [child, index, signature]) await push(registry, NAME, { manifest })
  const { id, until, from, to } = await moved(registry, index, other)
  expect([from, to]).toEqual([digestOf(index.bytes), digestOf(other.bytes)])
  expect(Date.parse(until!) - Date.now()).toBeGreaterThan(13 * DAY_MS)
  await collectWithHistory(registry)
  for (const manifest of [child, index, signature, other])
    expect(await isThere(registry, NAME, manifest)).toBe(true)
  expect(await deletionsOf(registry, NAME)).toEqual([])
  const { status, restored } = await restore(registry, NAME, { id })
  expect([status, restored.tags, restored.conflicts]).toEqual([
    200,
    [{ tag: 'latest', digest: digestOf(index.bytes) }],
    [],
  ])
  expect(await named(registry)).toBe(digestOf(index.bytes))
  const [back, forth] = await changesOf(registry, NAME)
  expect(back).toMatchObject({ action: 'moved', cause: 'restore', to: digestOf(index.bytes) })
  expect([typeof back?.until, forth]).toMatchObject(['string', { id, until: null }])
  await restore(registry, NAME, { id: back!.id })
  expect(await named(registry)).toBe(digestOf(other.bytes))
})

test('it is put back also if the manifest was deleted from the repository since', async () => {
  await using registry = await startWithHistory()
  const [one, two] = [imageOf('one'), imageOf('two')]
  const { id } = await moved(registry, one, two)
  await registry.send(`DELETE /v2/${NAME}/manifests/${digestOf(one.bytes)}`)
  await collectWithHistory(registry)
  expect((await restore(registry, NAME, { id })).restored.manifests).toEqual([digestOf(one.bytes)])
  expect(await named(registry)).toBe(digestOf(one.bytes))
})

test('a tag that was moved again or removed since', async () => {
  await using registry = await startWithHistory()
  const [one, two, three] = [imageOf('one'), imageOf('two'), imageOf('three')]
  const { id } = await moved(registry, one, two)
  await moved(registry, three)
  const { restored } = await restore(registry, NAME, { id })
  expect([restored.tags, restored.conflicts]).toEqual([
    [],
    [{ tag: 'latest', digest: digestOf(three.bytes) }],
  ])
  await registry.send(`DELETE /v2/${NAME}/manifests/latest`)
  expect((await restore(registry, NAME, { id })).restored.conflicts).toEqual([])
  expect(await named(registry)).toBe(digestOf(one.bytes))
  expect(refusal(await registry.send(`POST /v2/${NAME}/_entrepot/trash/restore`, bodyOf(id)))).toMatch(/^404/)
})

const bodyOf = (id: string) => ({ body: JSON.stringify({ id }) })

test('once the window has ended a collection takes it', async () => {
  await using registry = await startWithHistory({
    policies: '{history: {enabled: true, movedwindow: 1ms}}',
  })
  const [one, two] = [imageOf('one'), imageOf('two')]
  const { id } = await moved(registry, one, two)
  await collectWithHistory(registry)
  expect(await isThere(registry, NAME, one)).toBe(false)
  expect(refusal(await registry.send(`POST /v2/${NAME}/_entrepot/trash/restore`, bodyOf(id)))).toMatch(/^404/)
  const { storage } = registry.registry
  const now = new Date((await registry.registry.storageTime()).getTime() + 1_000)
  const tidied = await tidyHistory({ storage, entries: 100, ageMs: DAY_MS, now })
  expect(tidied).toEqual({ changes: 0, deletions: 1 })
  expect((await changesOf(registry, NAME))[0]?.until).toBeNull()
})

test('with a window of nothing no move is kept, and deletions are', async () => {
  const policies = '{history: {enabled: true, movedwindow: 0s}}'
  await using registry = await startWithHistory({ policies })
  const [one, two] = [imageOf('one'), imageOf('two')]
  expect((await moved(registry, one, two)).until).toBeNull()
  await registry.send(`DELETE /v2/${NAME}/manifests/latest`)
  await collectWithHistory(registry)
  expect([await isThere(registry, NAME, one), await deletionsOf(registry, NAME)]).toMatchObject([
    false,
    [{ kind: 'tag' }],
  ])
})

test('an immutable tag is not moved back', async () => {
  await using registry = await startWithHistory()
  const { id } = await moved(registry, imageOf('one'), imageOf('two'))
  const policies = `{history: {enabled: true}, immutable: [{repositories: ['**']}]}`
  await using strict = await startWithHistory({ driver: registry.registry.storage, policies })
  expect(refusal(await strict.send(`POST /v2/${NAME}/_entrepot/trash/restore`, bodyOf(id)))).toMatch(/^409/)
  expect((await changesOf(registry, NAME))[0]?.until).not.toBeNull()
})

/** Repositories whose tags are set once `meanwhile` has ended. */
class HeldTags extends DecoratedRepositories {
  meanwhile = async () => {}

  protected override decorate(inner: Repository): Repository {
    const before = () => this.meanwhile()
    const tags = new (class extends ForwardingTags {
      override async tag(tag: Tag, descriptor: Descriptor) {
        await before()
        return super.tag(tag, descriptor)
      }
    })(inner.tags)
    return new (class extends ForwardingRepository {
      override get tags() {
        return tags
      }
    })(inner)
  }
}

test('a move that a collector sees is on record, and one that fails leaves none', async () => {
  const stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: quiet })
  const held = new HeldTags(stored)
  const { storage, collectable } = stored
  const recorder = new Recorder({
    ...{ storage, windowMs: DAY_MS, movedWindowMs: DAY_MS },
    author: () => ({ actor: '', cause: 'request' }),
  })
  const registry = new HistoryRegistry(held, { recorder, emptied: new EmptiedRepositories(storage) })
  const repository = registry.repository(name)
  const one = await pushManifest(repository, 'one', { tags: ['latest'] })
  const { descriptor } = await repository.manifests.get(await pushManifest(repository, 'two'))
  const content = new RestorableContent(collectable, { now: async () => new Date() })
  const restorable = async () => [...((await content.contentOf(name)).restorable?.keys() ?? [])]

  held.meanwhile = async () => {
    expect(await restorable()).toEqual([one])
    throw new Error('the disk is gone')
  }
  await expect(repository.tags.tag(parseTag('latest'), descriptor)).rejects.toThrow('the disk is gone')
  expect(await restorable()).toEqual([])
  held.meanwhile = async () => expect(await restorable()).toEqual([one])
  await repository.tags.tag(parseTag('latest'), descriptor)
  expect(await restorable()).toEqual([one])
})

test('a tag that names a manifest by another algorithm keeps it as well', async () => {
  await using registry = await startWithHistory()
  const image = imageOf('one')
  for (const blob of image.blobs) await registry.client.pushBlob(NAME, Buffer.from(blob))
  const sha512 = digestOf(image.bytes, 'sha512')
  expect((await put(registry, NAME, { manifest: image, reference: `${sha512}?tag=latest` })).status).toBe(201)
  const { id, from } = await moved(registry, imageOf('two'))
  expect(from).toBe(sha512)
  await collectWithHistory(registry)
  await restore(registry, NAME, { id })
  expect(await named(registry)).toBe(sha512)
})
