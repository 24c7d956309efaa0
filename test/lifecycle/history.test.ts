/** Who set, moved and removed which tag; and what was deleted is put back, also after a collection. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { deletion } from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { RestorableContent } from '../../src/lifecycle/history/restorable-content.ts'
import { tidyHistory } from '../../src/lifecycle/history/upkeep.ts'
import { deletionsFolder, historyFolder } from '../../src/lifecycle/paths.ts'
import { ChangeReporter } from '../../src/notifications/change-reporter.ts'
import { EventFactory, type RegistryEvent } from '../../src/notifications/event.ts'
import { NotifyingRegistry } from '../../src/notifications/notifying-registry.ts'
import type { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { tagsOf } from '../contract/registry/support.ts'
import { digestOfManifest, imageOf, indexOf, isThere, push, put, referrerOf } from '../gc/untagged-images.ts'
import { basic, GuardedRegistry, rule } from '../support/access.ts'
import { described } from '../support/extension-answer.ts'
import { type HttpRegistry, refusal } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import {
  changesOf,
  collectWithHistory,
  deletionsOf,
  historyParts,
  restore,
  startWithHistory,
} from './history-under-test.ts'
import { digestOfImage, imageCalled, pushLayers } from './support.ts'

const NAME = 'team/app'
const name = parseRepositoryName(NAME)

async function putImage(registry: HttpRegistry, tag: string, image: string, headers = {}) {
  return registry.send(`PUT /v2/${NAME}/manifests/${tag}`, {
    headers: { 'content-type': MediaType.ociManifest, ...headers },
    body: imageCalled(image),
  })
}

async function pushed(registry: HttpRegistry, ...images: readonly [tag: string, image: string][]) {
  await pushLayers(registry.client, NAME)
  for (const [tag, image] of images) expect((await putImage(registry, tag, image)).status).toBe(201)
}

const tagList = async (registry: HttpRegistry) => tagsOf(registry.registry.repository(name))

test('each change of a tag is recorded, the newest first, with what it named before', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'], ['v1', 'one'], ['v1', 'two'], ['v2', 'two'])
  expect((await registry.send(`DELETE /v2/${NAME}/manifests/v1`)).status).toBe(202)
  const [one, two] = [digestOfImage('one'), digestOfImage('two')]
  const changes = await changesOf(registry, NAME, '?tag=v1')
  expect(changes.map(({ action, from, to }) => [action, from, to])).toEqual([
    ['removed', two, null],
    ['moved', one, two],
    ['set', null, one],
  ])
  expect(changes[0]).toMatchObject({ tag: 'v1', actor: '', cause: 'request' })
  expect(Date.parse(changes[0]!.at)).toBeGreaterThan(Date.now() - 60_000)
  expect((await changesOf(registry, NAME)).map(({ tag }) => tag)).toEqual(['v1', 'v2', 'v1', 'v1'])
})

test('a list has pages, and says since when it is complete', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'], ['v2', 'one'], ['v3', 'one'])
  const first = await registry.send(`GET /v2/${NAME}/_entrepot/tags/history?n=2`)
  const { changes, recordedSince, next } = JSON.parse(first.body.toString())
  expect(changes.map(({ tag }: { tag: string }) => tag)).toEqual(['v3', 'v2'])
  expect(Date.parse(recordedSince)).toBeLessThanOrEqual(Date.now())
  const second = await registry.send(`GET /v2/${NAME}/_entrepot/tags/history?n=2&cursor=${next}`)
  const page = JSON.parse(second.body.toString())
  expect([page.changes.map(({ tag }: { tag: string }) => tag), page.next]).toEqual([['v1'], null])
  expect(refusal(await registry.send(`GET /v2/${NAME}/_entrepot/tags/history?tag=.x`))).toBe(
    '400 TAG_INVALID',
  )
})

test('entries that a power cut has emptied hide none that are older', async () => {
  const driver = new MemoryDriver()
  await using registry = await startWithHistory({ driver })
  await pushed(registry, ['v1', 'one'], ['v2', 'one'], ['v3', 'one'])
  for (const tag of ['v1', 'v3']) await registry.send(`DELETE /v2/${NAME}/manifests/${tag}`)
  const [newest] = await changesOf(registry, NAME, '?n=1')
  const [deletion] = await deletionsOf(registry, NAME, '?n=1')
  await driver.put(`${historyFolder(name)}/v3/${newest!.id}`, Buffer.alloc(0))
  await driver.put(`${deletionsFolder(name)}/${deletion!.id}`, Buffer.alloc(0))
  expect(await changesOf(registry, NAME, '?n=1')).toMatchObject([{ tag: 'v1', action: 'removed' }])
  expect(await deletionsOf(registry, NAME, '?n=1')).toMatchObject([{ tags: [{ tag: 'v1' }] }])
  expect(await changesOf(registry, NAME, '?n=4')).toHaveLength(4)
})

test('a tag is put back after a collection, with its index, its children and their signatures', async () => {
  await using registry = await startWithHistory()
  const child = imageOf('child')
  const index = indexOf(child)
  const signature = referrerOf(index, 'signature')
  for (const manifest of [child, index, signature]) await push(registry, NAME, { manifest })
  await put(registry, NAME, { manifest: index, reference: 'v1' })
  await registry.send(`DELETE /v2/${NAME}/manifests/v1`)
  await collectWithHistory(registry)
  const [deletion] = await deletionsOf(registry, NAME)
  expect(deletion).toMatchObject({ kind: 'tag', tagCount: 1, manifestCount: 1, cause: 'request' })
  const { status, restored } = await restore(registry, NAME, { id: deletion!.id })
  expect([status, restored.tags.map(({ tag }) => tag), restored.conflicts]).toEqual([200, ['v1'], []])
  for (const manifest of [child, index, signature]) expect(await isThere(registry, NAME, manifest)).toBe(true)
  expect(await tagList(registry)).toEqual(['v1'])
  expect(await deletionsOf(registry, NAME)).toEqual([])
  expect((await changesOf(registry, NAME, '?tag=v1'))[0]).toMatchObject({ action: 'set', cause: 'restore' })
})

test('a manifest that was deleted by its digest comes back with its tags and referrers', async () => {
  await using registry = await startWithHistory()
  const image = imageOf('image')
  const signature = referrerOf(image, 'signature')
  for (const manifest of [image, signature]) await push(registry, NAME, { manifest })
  for (const reference of ['v1', 'latest']) await put(registry, NAME, { manifest: image, reference })
  expect((await registry.send(`DELETE /v2/${NAME}/manifests/${digestOfManifest(image)}`)).status).toBe(202)
  await collectWithHistory(registry)
  const [deletion] = await deletionsOf(registry, NAME)
  expect(deletion?.kind).toBe('manifest')
  expect(deletion?.tags.map(({ tag }) => tag).sort()).toEqual(['latest', 'v1'])
  const { restored } = await restore(registry, NAME, { id: deletion!.id })
  expect(restored.manifests).toEqual([digestOfManifest(image)])
  expect(await tagList(registry)).toEqual(['latest', 'v1'])
  expect(await isThere(registry, NAME, image)).toBe(true)
  expect(await isThere(registry, NAME, signature)).toBe(true)
})

test('when the window ends a collection takes what was deleted', async () => {
  await using registry = await startWithHistory({ policies: '{history: {enabled: true, window: 0s}}' })
  await pushed(registry, ['v1', 'one'])
  await registry.send(`DELETE /v2/${NAME}/manifests/v1`)
  await collectWithHistory(registry)
  const [deletion] = await deletionsOf(registry, NAME)
  const { status } = await restore(registry, NAME, { id: deletion!.id })
  expect(status).toBe(404)
  expect(await tagList(registry)).toEqual([])
  expect(
    refusal(await registry.send(`POST /v2/${NAME}/_entrepot/trash/restore`, { body: '{"id":"x"}' })),
  ).toBe('404 NAME_UNKNOWN')
  for (const body of ['', '[]', '{"id":1}'])
    expect(refusal(await registry.send(`POST /v2/${NAME}/_entrepot/trash/restore`, { body }))).toBe(
      '400 UNSUPPORTED',
    )
})

test('a tag that names something else by now is left alone, unless it is forced back', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'])
  await registry.send(`DELETE /v2/${NAME}/manifests/v1`)
  await pushed(registry, ['v1', 'two'])
  const [deletion] = await deletionsOf(registry, NAME)
  const { id } = deletion!
  const { restored } = await restore(registry, NAME, { id })
  expect([restored.tags, restored.conflicts]).toEqual([[], [{ tag: 'v1', digest: digestOfImage('two') }]])
  expect(await deletionsOf(registry, NAME)).toHaveLength(1)
  await restore(registry, NAME, { id, force: true })
  expect(await registry.registry.repository(name).tags.get(parseTag('v1'))).toBe(digestOfImage('one'))
})

test('a repository is deleted as a whole, and comes back as a whole', async () => {
  await using registry = await startWithHistory()
  const child = imageOf('child')
  const index = indexOf(child)
  const signature = referrerOf(index, 'signature')
  for (const manifest of [child, index, signature]) await push(registry, NAME, { manifest })
  await put(registry, NAME, { manifest: index, reference: 'v1' })
  await pushed(registry, ['v2', 'two'])
  await push(registry, 'other', { manifest: imageOf('other') })
  const answer = await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`)
  const { id, ...deleted } = described(deletion, answer)
  expect([answer.status, deleted]).toMatchObject([
    202,
    { kind: 'repository', tagCount: 2, manifestCount: 4, cause: 'request' },
  ])
  expect(refusal(await registry.send(`GET /v2/${NAME}/tags/list`))).toBe('404 NAME_UNKNOWN')
  expect((await registry.send(`HEAD /v2/${NAME}/manifests/${digestOfManifest(index)}`)).status).toBe(404)
  expect((await registry.send(`HEAD /v2/${NAME}/blobs/${digestOf(Buffer.from('layer'))}`)).status).toBe(404)
  expect(JSON.parse((await registry.send('GET /v2/_catalog')).body.toString())).toEqual({
    repositories: ['other'],
  })
  expect(refusal(await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`))).toBe('404 NAME_UNKNOWN')
  await collectWithHistory(registry)
  const { restored } = await restore(registry, NAME, { id })
  expect([restored.manifests.length, restored.lost]).toEqual([4, []])
  expect(await tagList(registry)).toEqual(['v1', 'v2'])
  for (const manifest of [child, index, signature]) expect(await isThere(registry, NAME, manifest)).toBe(true)
  expect((await registry.send(`GET /v2/${NAME}/blobs/${digestOf(Buffer.from('layer'))}`)).status).toBe(200)
  const referrers = await registry.send(`GET /v2/${NAME}/referrers/${digestOfManifest(index)}`)
  expect(JSON.parse(referrers.body.toString()).manifests).toHaveLength(1)
})

test('what is pushed again to a deleted repository is there, and listed', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'])
  await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`)
  await pushed(registry, ['v9', 'nine'])
  expect(JSON.parse((await registry.send('GET /v2/_catalog')).body.toString()).repositories).toEqual([NAME])
  expect(await tagList(registry)).toEqual(['v9'])
})

test('a repository with a tag that may not be deleted stays', async () => {
  const policies = `{history: {enabled: true}, immutable: [{repositories: [${NAME}], tags: [v*]}]}`
  await using registry = await startWithHistory({ policies })
  await pushed(registry, ['latest', 'one'], ['v1', 'one'])
  expect(refusal(await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`))).toBe('409 DENIED')
  expect(await tagList(registry)).toEqual(['latest', 'v1'])
  expect(await deletionsOf(registry, NAME)).toEqual([])
})

test('changes and deletions name who has made them', async () => {
  const rules = [rule('team/app', 'alice', '*'), rule('team/app', 'bob', 'push', 'delete')]
  await using guarded = await GuardedRegistry.start({
    users: ['alice', 'bob'],
    auth: { rules },
    ...historyParts(),
  })
  const { registry } = guarded
  for (const blob of ['config', 'layer'])
    await registry.send(`POST /v2/${NAME}/blobs/uploads/?digest=${digestOf(Buffer.from(blob))}`, {
      headers: basic('alice'),
      body: blob,
    })
  expect((await putImage(registry, 'v1', 'one', basic('alice'))).status).toBe(201)
  await registry.send(`DELETE /v2/${NAME}/manifests/v1`, { headers: basic('bob') })
  const list = await registry.send(`GET /v2/${NAME}/_entrepot/trash/list`, { headers: basic('alice') })
  const [deletion] = JSON.parse(list.body.toString()).deletions
  expect(deletion.actor).toBe('bob')
  const request = { headers: basic('bob'), body: JSON.stringify({ id: deletion.id }) }
  expect((await registry.send(`POST /v2/${NAME}/_entrepot/trash/restore`, request)).status).toBe(200)
  const history = await registry.send(`GET /v2/${NAME}/_entrepot/tags/history`, { headers: basic('alice') })
  expect(
    JSON.parse(history.body.toString()).changes.map(({ actor, action }: never) => [actor, action]),
  ).toEqual([
    ['bob', 'set'],
    ['bob', 'removed'],
    ['alice', 'set'],
  ])
})

test('a collection that begins while a tag is deleted keeps what it named', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'])
  const { collectable } = registry.registry
  const now = async () => new Date()
  const content = new RestorableContent(collectable, { now })
  const seen = new Set<string>()
  // The repositories are read while the tag still stands, and the manifest is deleted before the trash is read.
  for await (const page of content.holdings()) {
    for (const { digest } of page) seen.add(digest)
    await registry.send(`DELETE /v2/${NAME}/manifests/${digestOfImage('one')}`)
  }
  expect(seen).toContain(digestOfImage('one'))
  const again = new Set<string>()
  for await (const page of content.holdings()) for (const { digest } of page) again.add(digest)
  expect(again).toContain(digestOfImage('one'))
  expect((await content.contentOf(name)).restorable?.has(digestOfImage('one') as never)).toBe(true)
})

test('old changes go, and those that are too many', async () => {
  await using registry = await startWithHistory()
  await pushed(registry, ['v1', 'one'], ['v1', 'two'], ['v1', 'three'], ['v2', 'one'])
  const { storage } = registry.registry
  const now = await registry.registry.storageTime()
  const tidy = (entries: number, at: Date) => tidyHistory({ storage, entries, ageMs: 3_600_000, now: at })
  expect(await tidy(3, now)).toEqual({ changes: 0, deletions: 0 })
  expect(await tidy(2, now)).toEqual({ changes: 1, deletions: 0 })
  expect((await changesOf(registry, NAME, '?tag=v1')).map(({ to }) => to)).toEqual(
    ['three', 'two'].map(digestOfImage),
  )
  await registry.send(`DELETE /v2/${NAME}/manifests/v1`)
  expect(await tidy(100, new Date(now.getTime() + 2 * 3_600_000))).toEqual({ changes: 4, deletions: 0 })
  expect(await tidy(100, new Date(now.getTime() + 15 * 24 * 3_600_000))).toEqual({ changes: 0, deletions: 3 })
})

test('the deletion of a repository and its restoration are announced as deletions and pushes', async () => {
  const events: string[] = []
  const { decorate, ...parts } = historyParts()
  const announce = ({ action, target: { kind, tag, digest } }: RegistryEvent) => {
    events.push(`${action} ${kind} ${tag ?? digest}`)
    return { durable: Promise.resolve(), end: async () => {} }
  }
  const source = { addr: '', instanceID: '' }
  const reporter = new ChangeReporter({
    ...{ outbox: { announce }, events: new EventFactory(source, parts.scope) },
    ...{ isWanted: ({ target }) => target.kind !== 'blob', includesReferences: false },
  })
  const notifying = (stored: StoredRegistry) => new NotifyingRegistry(decorate(stored), reporter)
  await using registry = await startWithHistory({ options: { ...parts, decorate: notifying } })
  await pushed(registry, ['v1', 'one'])
  events.length = 0
  const answer = await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`)
  expect(events).toEqual(['delete tag v1', `delete manifest ${digestOfImage('one')}`])
  events.length = 0
  await restore(registry, NAME, { id: JSON.parse(answer.body.toString()).id })
  expect(events).toEqual([`push manifest ${digestOfImage('one')}`, 'push manifest v1'])
})

test('where no history is kept there is none', async () => {
  await using registry = await startWithHistory({
    options: { decorate: undefined, history: undefined } as never,
  })
  for (const request of ['GET tags/history', 'GET trash/list', 'POST trash/restore', 'DELETE repository']) {
    const body = request.startsWith('POST') ? '{"id":"x"}' : undefined
    const answer = await registry.send(request.replace(' ', ` /v2/${NAME}/_entrepot/`), body ? { body } : {})
    expect([request, refusal(answer)]).toEqual([request, '404 UNSUPPORTED'])
  }
})

test('the registry on a folder keeps everything outside of repositories', async () => {
  await using folder = await temporaryFolder()
  const driver = await FilesystemDriver.open({ root: folder.path })
  await using registry = await startWithHistory({ driver })
  await pushed(registry, ['v1', 'one'])
  await registry.send(`DELETE /v2/${NAME}/_entrepot/repository`)
  const left: string[] = []
  for await (const files of driver.scan('/docker/registry/v2/repositories'))
    left.push(...files.map(({ path }) => path))
  expect(left).toEqual([`/docker/registry/v2/repositories/${NAME}/_manifests/deletions`])
})
