/** Counts the sequential requests to a storage with latency. */
import { beforeEach, describe, expect, test } from 'vitest'
import { pushBlob, pushManifest, revisionLink } from '../../test/contract/registry/support.ts'
import { collectAll } from '../../test/contract/storage-driver/support.ts'
import { quiet } from '../../test/support/http-registry.ts'
import { RoundTripsDriver } from '../../test/support/round-trips-driver.ts'
import { type Digest, digestOf } from '../core/digest.ts'
import { DEFAULT_POLICY } from '../core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../core/reference.ts'
import type { Repository } from '../core/registry.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { StoredRegistry } from './registry.ts'

let driver: RoundTripsDriver
let registry: StoredRegistry
let repository: Repository
beforeEach(() => {
  driver = new RoundTripsDriver(new MemoryDriver())
  registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  repository = registry.repository(parseRepositoryName('a'))
})

const numbers = Array.from({ length: 64 }, (_, number) => number)

async function roundsOf(work: () => Promise<unknown>): Promise<number> {
  const before = driver.rounds
  await work()
  return driver.rounds - before
}

test('a manifest is removed with 64 tags', async () => {
  const tags = numbers.map((number) => `v${number}`)
  const digest = await pushManifest(repository, 'image', { tags })
  expect(await roundsOf(() => repository.manifests.delete(digest))).toBeLessThanOrEqual(32)
  expect(await collectAll(repository.tags.all())).toEqual([])
  await expect(driver.stat(revisionLink('a', digest))).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
})

test('64 blobs are listed', async () => {
  for (const number of numbers) await pushBlob(repository, `blob ${number}`)
  expect(await roundsOf(() => collectAll(repository.blobs.all()))).toBeLessThanOrEqual(8)
})

test('64 uploads are listed', async () => {
  for (const _ of numbers) await repository.blobs.createUpload()
  expect(await roundsOf(() => collectAll(registry.uploads()))).toBeLessThanOrEqual(10)
})

test('a blob is found in one of 64 repositories', async () => {
  for (const number of numbers) {
    await pushBlob(registry.repository(parseRepositoryName(`other-${number}`)), 'other')
  }
  const digest = await pushBlob(registry.repository(parseRepositoryName('z')), 'content')
  expect(await roundsOf(() => repository.blobs.mount(digest))).toBeLessThanOrEqual(20)
  expect(await repository.blobs.has(digest)).toBe(true)
})

describe('a mount without a source', () => {
  const digests = [digestOf(Buffer.from('content')), digestOf(Buffer.from('content'), 'sha512')]
  const mayLook = (name: string) => name !== 'secret'

  /** The calls for a mount that finds nothing, over storage with so many repositories. */
  async function callsOf(digest: Digest): Promise<unknown[]> {
    const registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
    driver.forget()
    const { blobs } = registry.repository(parseRepositoryName('own'))
    await expect(blobs.mount(digest, mayLook)).rejects.toMatchObject({ code: 'BLOB_UNKNOWN' })
    return driver.calls.map(({ method, path }) => `${method} ${path}`).sort()
  }

  test.each(digests)('costs the same whether or not another has the blob: %s', async (digest) => {
    await pushBlob(registry.repository(parseRepositoryName('shared')), 'other')
    const without = await callsOf(digest)
    await pushBlob(registry.repository(parseRepositoryName('secret')), 'content', 'sha512')
    const path = '/docker/registry/v2/repositories/secret'
    expect((await callsOf(digest)).filter((call) => !String(call).endsWith(path))).toEqual(without)
  })

  test.each(digests)('costs no more with more repositories: %s', async (digest) => {
    for (let number = 0; number < 400; number++)
      await driver.put(`/docker/registry/v2/repositories/r${number}/_layers/x`, Buffer.of())
    expect((await callsOf(digest)).length).toBeLessThan(400)
  })

  test('is searched in what was used last, however many there are', async () => {
    for (let number = 0; number < 400; number++)
      await driver.put(`/docker/registry/v2/repositories/r${number}/_layers/x`, Buffer.of())
    const digest = await pushBlob(registry.repository(parseRepositoryName('z')), 'content')
    await repository.blobs.mount(digest)
    expect(await repository.blobs.has(digest)).toBe(true)
  })

  test('many at once are not all made', async () => {
    await pushBlob(registry.repository(parseRepositoryName('shared')), 'other')
    driver.forget()
    const mounts = Array.from({ length: 200 }, () => repository.blobs.mount(digests[0] as Digest))
    const refused = (await Promise.allSettled(mounts)).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(200)
    expect(driver.calls.length).toBeLessThan(700)
  })
})

test('a tag is removed in three turns', async () => {
  await pushManifest(repository, 'image', { tags: ['v1'] })
  driver.forget()
  expect(await roundsOf(() => repository.tags.untag(parseTag('v1')))).toBe(3)
  expect(driver.calls.map(({ method }) => method)).toEqual(['get', 'delete', 'delete'])
})

test('a repository is there or not by one question', async () => {
  await pushBlob(repository, 'content')
  for (const name of ['a', 'b']) {
    driver.forget()
    expect(await registry.repository(parseRepositoryName(name)).exists()).toBe(name === 'a')
    expect(driver.calls).toHaveLength(1)
  }
})
