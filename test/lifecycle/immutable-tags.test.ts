/** Immutable tags, by the port and over HTTP. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { ImmutableTagsRegistry } from '../../src/lifecycle/immutable/registry.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { expectRegistryError, manifestPayload, pushManifest, tagsOf } from '../contract/registry/support.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { errorsOf, HttpRegistry, quiet } from '../support/http-registry.ts'
import { imageCalled, pushLayers, putImage } from './support.ts'

const release = { repositories: ['team/*'], tags: ['v*', 'stable'], deletable: false, expirable: false }
const draft = { ...release, tags: ['draft-*'], deletable: true }
const name = parseRepositoryName('team/app')
const v1 = parseTag('v1')

/** A process over a storage.
 *  @param timing of its locks, in milliseconds */
function processOver(driver: MemoryDriver, timing?: { leaseMs: number; beatMs: number }) {
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const registry = new ImmutableTagsRegistry(stored, {
    rules: [release, draft],
    storage: stored.storage,
    ...(timing && { timing: { ...timing, patienceMs: 5_000, longestWaitMs: 5 } }),
  })
  return { stored, registry, repository: registry.repository(name) }
}

async function pushed(repository: Repository, image: string) {
  return (await repository.manifests.get(await pushManifest(repository, image))).descriptor
}

test('an immutable tag is set to the same manifest again, and to no other', async () => {
  const { repository } = processOver(new MemoryDriver())
  const [first, second] = [await pushed(repository, 'first'), await pushed(repository, 'second')]
  await repository.tags.tag(v1, first)
  await repository.tags.tag(v1, first)
  const error = await expectRegistryError(repository.tags.tag(v1, second), 'TAG_IMMUTABLE')
  expect(error.message).toBe(
    `the tag v1 names ${first.digest} and can't be moved: it is immutable by the rule for tags v*, stable in repositories team/*`,
  )
  expect(error.detail).toEqual({
    tag: 'v1',
    digest: first.digest,
    rule: { repositories: ['team/*'], tags: ['v*', 'stable'] },
  })
  expect(await repository.tags.get(v1)).toBe(first.digest)
})

test('a digest by sha512 is the same manifest', async () => {
  const { repository } = processOver(new MemoryDriver())
  const name512 = await pushManifest(repository, 'image', { algorithm: 'sha512', tags: ['v1'] })
  await pushManifest(repository, 'image', { tags: ['v1'] })
  await expectRegistryError(
    pushManifest(repository, 'other', { algorithm: 'sha512', tags: ['v1'] }),
    'TAG_IMMUTABLE',
  )
  for (const digest of [name512, digestOf(manifestPayload('image'))])
    await expectRegistryError(repository.manifests.delete(digest), 'TAG_IMMUTABLE')
  expect(await tagsOf(repository)).toEqual(['v1'])
})

test('neither the tag is deleted nor the manifest that it names, unless its rule says otherwise', async () => {
  const { repository } = processOver(new MemoryDriver())
  const image = await pushed(repository, 'image')
  const drafted = parseTag('draft-1')
  for (const tag of [v1, drafted, parseTag('latest')]) await repository.tags.tag(tag, image)
  await expectRegistryError(repository.tags.untag(v1), 'TAG_IMMUTABLE')
  await expectRegistryError(repository.manifests.delete(image.digest), 'TAG_IMMUTABLE')
  expect(await tagsOf(repository)).toEqual(['draft-1', 'latest', 'v1'])
  await repository.tags.untag(parseTag('latest'))
  await repository.tags.untag(drafted)
  await expectRegistryError(repository.tags.untag(drafted), 'MANIFEST_UNKNOWN')
  expect(await tagsOf(repository)).toEqual(['v1'])
  const other = await pushed(repository, 'other')
  await repository.tags.tag(drafted, other)
  await repository.manifests.delete(other.digest)
  expect(await tagsOf(repository)).toEqual(['v1'])
})

test('other tags move, and other repositories are not even wrapped', async () => {
  const { repository, registry, stored } = processOver(new MemoryDriver())
  await pushManifest(repository, 'first', { tags: ['latest'] })
  const second = await pushManifest(repository, 'second', { tags: ['latest'] })
  expect(await repository.tags.get(parseTag('latest'))).toBe(second)
  for (const other of ['app', 'team/app/more'].map(parseRepositoryName))
    expect(registry.repository(other)).toBe(stored.repository(other))
})

test('a tag that is gone can be set anew', async () => {
  const { repository, stored } = processOver(new MemoryDriver())
  await pushManifest(repository, 'first', { tags: ['v1'] })
  await stored.repository(name).tags.untag(v1) // as Distribution would
  const second = await pushManifest(repository, 'second', { tags: ['v1'] })
  expect(await repository.tags.get(v1)).toBe(second)
})

test('of pushes at the same time one wins, and all others are refused', async () => {
  const driver = new MemoryDriver()
  const processes = Array.from({ length: 4 }, () => processOver(driver).repository)
  const images = await Promise.all(processes.map((one, index) => pushed(one, `image ${index}`)))
  for (let round = 0; round < 50; round++) {
    const tag = parseTag(`v${round}`)
    const outcomes = await Promise.allSettled(
      processes.map((one, index) => one.tags.tag(tag, images[index]!)),
    )
    const winners = images.filter((_, index) => outcomes[index]!.status === 'fulfilled')
    const codes = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
    expect(codes).toEqual(['TAG_IMMUTABLE', 'TAG_IMMUTABLE', 'TAG_IMMUTABLE'])
    expect(await processes[0]!.tags.get(tag)).toBe(winners[0]!.digest)
  }
})

/** Lets the first write of a tag's link wait. */
class SlowTagDriver extends FaultyDriver {
  readonly reached = Promise.withResolvers<void>()
  readonly released = Promise.withResolvers<void>()

  override async put(...parameters: Parameters<FaultyDriver['put']>): Promise<void> {
    const [path] = parameters
    if (path.endsWith('/v1/current/link')) {
      this.reached.resolve()
      await this.released.promise
    }
    await super.put(...parameters)
  }
}

test('a late write of a process that stood still is undone, and refused', async () => {
  const driver = new MemoryDriver()
  const slow = new SlowTagDriver(driver)
  const timing = { leaseMs: 1_000, beatMs: 1_000_000 } // without heartbeats, as one that stands still
  const stalled = processOver(slow as unknown as MemoryDriver, timing)
  const living = processOver(driver, timing)
  const first = await pushed(living.repository, 'first')
  const second = await pushed(living.repository, 'second')
  const late = stalled.repository.tags.tag(v1, first)
  await slow.reached.promise
  await living.repository.tags.tag(v1, second)
  slow.released.resolve()
  await expectRegistryError(late, 'TAG_IMMUTABLE')
  expect(await living.repository.tags.get(v1)).toBe(second.digest)
})

test('a push is refused while a living process sets the tag, and then decided', async () => {
  const driver = new MemoryDriver()
  const slow = new SlowTagDriver(driver)
  const timing = { leaseMs: 400, beatMs: 20 }
  const first = processOver(slow as unknown as MemoryDriver, timing)
  const image = await pushed(first.repository, 'image')
  const other = await pushed(first.repository, 'other')
  const setting = first.repository.tags.tag(v1, image)
  await slow.reached.promise
  const waiting = processOver(driver, timing).repository.tags.tag(v1, other)
  const isDecided = await Promise.race([
    waiting.catch(() => true),
    new Promise((done) => setTimeout(done, 600)),
  ])
  expect(isDecided).toBeUndefined()
  slow.released.resolve()
  await setting
  await expectRegistryError(waiting, 'TAG_IMMUTABLE')
})

test('a tag that was acknowledged before its manifest is deleted prevents the deletion', async () => {
  const driver = new MemoryDriver()
  const { repository } = processOver(driver)
  const image = await pushed(repository, 'image')
  for (let round = 0; round < 15; round++) {
    const tag = parseTag(`v-${round}`)
    const [tagged, deleted] = await Promise.allSettled([
      repository.tags.tag(tag, image),
      processOver(driver).repository.manifests.delete(image.digest),
    ])
    const tags = await tagsOf(repository)
    if (tagged.status === 'fulfilled') expect(tags).toContain(tag)
    if (deleted.status === 'fulfilled') {
      expect(tags).toEqual([])
      await pushManifest(repository, 'image')
    }
  }
})

test('over HTTP the refusal is a 409 that clients print, and nothing is stored', async () => {
  await using registry = await HttpRegistry.start({
    decorate: (stored) =>
      new ImmutableTagsRegistry(stored, { rules: [release, draft], storage: stored.storage }),
  })
  await pushLayers(registry.client, 'team/app')
  const statusOf = async (place: string, image: string) => (await putImage(registry.url, place, image)).status
  expect(await statusOf('team/app:v1', 'first')).toBe(201)
  expect(await statusOf('team/app:v1', 'first')).toBe(201)
  expect(await statusOf('team/app:v1', 'second')).toBe(409)
  const digest = digestOf(imageCalled('second'))
  const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
  const several = await registry.send(`PUT /v2/team/app/manifests/${digest}?tag=latest&tag=v1`, {
    headers,
    body: imageCalled('second'),
  })
  expect(several.status).toBe(409)
  expect(errorsOf(several)).toEqual([
    {
      code: 'DENIED',
      message: expect.stringContaining("can't be moved: it is immutable by the rule for tags v*, stable"),
      detail: expect.objectContaining({ tag: 'v1' }),
    },
  ])
  const repository = registry.registry.repository(name)
  expect(await collectAll(repository.manifests.all())).toEqual([digestOf(imageCalled('first'))])
  for (const reference of ['v1', digestOf(imageCalled('first'))])
    expect((await registry.send(`DELETE /v2/team/app/manifests/${reference}`)).status).toBe(409)
  expect(await tagsOf(repository)).toEqual(['v1'])
})

test('a pull costs no more, and neither does a push of another tag', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const registry = new ImmutableTagsRegistry(stored, { rules: [release], storage: stored.storage })
  const decorated = registry.repository(name)
  const image = await pushManifest(decorated, 'image', { tags: ['v1', 'latest'] })
  const { descriptor } = await decorated.manifests.get(image)
  const callsOf = async (work: (repository: Repository) => Promise<unknown>) => {
    const counts = []
    for (const repository of [stored.repository(name), decorated]) {
      driver.forget()
      await work(repository)
      counts.push(driver.calls)
    }
    return counts
  }
  for (const work of [
    (repository: Repository) => repository.tags.get(v1),
    (repository: Repository) => repository.manifests.get(image),
    (repository: Repository) => repository.tags.tag(parseTag('latest'), descriptor),
  ]) {
    const [plain, withRules] = await callsOf(work)
    expect(withRules).toEqual(plain)
  }
})
