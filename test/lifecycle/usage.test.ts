/** What repositories take up, and quotas that pushes may not exceed. */
import { expect, test } from 'vitest'
import { recount } from '../../src/app/lifecycle/usage.ts'
import { digestOf } from '../../src/core/digest.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Registry } from '../../src/core/registry.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { usageSummary } from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { UsageLedger } from '../../src/lifecycle/usage/ledger.ts'
import { type QuotaRule, QuotaRules } from '../../src/lifecycle/usage/quotas.ts'
import { UsageRegistry } from '../../src/lifecycle/usage/registry.ts'
import { UsageFiles } from '../../src/lifecycle/usage/usage-files.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { imageOf, indexOf, type PushedManifest, push, put } from '../gc/untagged-images.ts'
import { described } from '../support/extension-answer.ts'
import { errorsOf, HttpRegistry, quiet, refusal } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const NAME = 'team/app'

interface Counting {
  readonly registry: HttpRegistry
  readonly ledger: UsageLedger
  readonly counted: Registry
}

/** A replica that counts. Others hear of it at once. */
async function start(
  quotas: readonly QuotaRule[] = [],
  driver: StorageDriver = new MemoryDriver(),
): Promise<Counting> {
  let ledger: UsageLedger | undefined
  let counted: Registry | undefined
  const registry = await HttpRegistry.start({
    driver,
    decorate(stored) {
      const rules = new QuotaRules(quotas)
      const files = new UsageFiles(stored.storage)
      ledger = new UsageLedger({ files, quotas: rules, log: quiet, delayMs: 0 })
      counted = new UsageRegistry(stored, { ledger, quotas: rules })
      return counted
    },
    usage: () => ledger!,
  })
  await ledger!.begin()
  return { registry, ledger: ledger!, counted: counted! }
}

/** Counts once what was pushed is written down. */
async function recountWhenWritten({ registry, ledger }: Omit<Counting, 'counted'>): Promise<void> {
  await ledger.stop()
  await recount(registry.registry, { settleMs: 0 })
  await ledger.refresh({ force: true })
}

const sizeOf = ({ bytes, blobs }: PushedManifest) =>
  bytes.length + blobs.reduce((sum, blob) => sum + Buffer.byteLength(blob), 0)

async function usageOf(registry: HttpRegistry, name = NAME) {
  const answer = await registry.send(`GET /v2/${name}/_entrepot/usage/summary`)
  return described(usageSummary, answer)
}

const pushBlob = (registry: HttpRegistry, repository: string, content: Buffer) =>
  registry.send(`POST /v2/${repository}/blobs/uploads/?digest=${digestOf(content)}`, { body: content })

test('what is pushed counts at once and once, what is deleted no more, and a count says the same', async () => {
  const { registry, ledger } = await start()
  await using _ = registry
  const [one, other] = [imageOf('one'), imageOf('other')]
  for (const manifest of [one, one, other]) await push(registry, NAME, { manifest })
  for (const [reference, manifest] of [
    ['v1', one],
    ['v2', other],
    ['v3', other],
  ] as const)
    await put(registry, NAME, { manifest, reference })
  const all = { bytes: sizeOf(one) + sizeOf(other), tagCount: 3 }
  expect(await usageOf(registry)).toMatchObject({ ...all, countedAt: null, tags: [], next: null })
  await recountWhenWritten({ registry, ledger })
  await recountWhenWritten({ registry, ledger })
  expect(await usageOf(registry)).toMatchObject({
    ...{ ...all, ownBytes: all.bytes, manifests: 2 },
    tags: [
      { tag: 'v1', digest: digestOf(one.bytes), bytes: sizeOf(one), ownBytes: sizeOf(one) },
      { tag: 'v2', bytes: sizeOf(other), ownBytes: 0 },
      { tag: 'v3', bytes: sizeOf(other), ownBytes: 0 },
    ],
  })
  await registry.send(`DELETE /v2/${NAME}/manifests/${digestOf(other.bytes)}`)
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(one), tagCount: 1 })
  await recountWhenWritten({ registry, ledger })
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(one), tagCount: 1 })
  expect(refusal(await registry.send('GET /v2/nowhere/_entrepot/usage/summary'))).toBe('404 NAME_UNKNOWN')
})

test('a repository that is pushed anew shows no tags of an earlier count', async () => {
  const { registry, ledger } = await start()
  await using _ = registry
  const image = imageOf('image')
  await push(registry, NAME, { manifest: image, reference: 'v1' })
  await push(registry, 'other', { manifest: image, reference: 'v1' })
  await recountWhenWritten({ registry, ledger })
  await registry.send(`DELETE /v2/${NAME}/manifests/${digestOf(image.bytes)}`)
  await recountWhenWritten({ registry, ledger })
  await push(registry, NAME, { manifest: image, reference: 'v2' })
  expect(await usageOf(registry)).toMatchObject({ tags: [], tagCount: 1 })
  expect(await usageOf(registry, 'other')).toMatchObject({ tags: [{ tag: 'v1' }] })
})

test('what is pushed while storage is counted counts once', async () => {
  const { registry, ledger } = await start([{ organisation: 'team', tags: 100 }])
  await using _ = registry
  const image = imageOf('image')
  await push(registry, NAME, { manifest: image })
  const counting = recount(registry.registry, { settleMs: 200 })
  for (const reference of ['v1', 'v2', 'v3']) await put(registry, NAME, { manifest: image, reference })
  await push(registry, 'team/late', { manifest: imageOf('late'), reference: 'v1' })
  await counting
  await ledger.refresh({ force: true })
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(image), tagCount: 3 })
  const bytes = sizeOf(image) + sizeOf(imageOf('late'))
  expect(await ledger.organisations()).toEqual([{ name: 'team', bytes, tags: 4 }])
})

test('content that others need is not freed, and shared content counts once', async () => {
  const { registry, ledger } = await start()
  await using _ = registry
  const child = imageOf('child')
  const index = indexOf(child)
  for (const name of [NAME, 'team/copy', 'other']) {
    await push(registry, name, { manifest: child })
    await put(registry, name, { manifest: index, reference: 'v1' })
  }
  await recountWhenWritten({ registry, ledger })
  const bytes = sizeOf(child) + index.bytes.length
  expect(await ledger.organisations()).toEqual([
    { name: 'other', bytes, tags: 1 },
    { name: 'team', bytes, tags: 2 },
  ])
  expect(await ledger.repositories()).toMatchObject([
    { name: 'other', ownBytes: 0 },
    {},
    { bytes, manifests: 2 },
  ])
  await registry.send(`DELETE /v2/${NAME}/manifests/${digestOf(index.bytes)}`)
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(child), tagCount: 0 })
})

test('a push that exceeds a quota is refused at each step, with the figures', async () => {
  const { registry } = await start([{ repositories: [NAME], bytes: 1_000, tags: 1 }])
  await using _ = registry
  const large = Buffer.alloc(800, 'large')
  expect((await pushBlob(registry, NAME, large)).status).toBe(201)
  expect((await pushBlob(registry, NAME, large)).status).toBe(201)
  const atFinish = await pushBlob(registry, NAME, Buffer.alloc(300, 'more'))
  expect(refusal(atFinish)).toBe('403 DENIED')
  expect(errorsOf(atFinish)[0]).toMatchObject({
    message: `the quota of the repository ${NAME} does not suffice: 800 bytes of 1000 bytes used, 300 bytes more asked for`,
    detail: {
      quota: { kind: 'repository', name: NAME, what: 'bytes', used: 800, limit: 1000, requested: 300 },
    },
  })
  const image = imageOf('image')
  for (const blob of image.blobs) expect((await pushBlob(registry, NAME, Buffer.from(blob))).status).toBe(201)
  expect(refusal(await put(registry, NAME, { manifest: image, reference: 'v1' }))).toBe('403 DENIED')
  const rest = 1_000 - 800 - image.blobs.reduce((sum, blob) => sum + blob.length, 0)
  expect((await pushBlob(registry, NAME, Buffer.alloc(rest, 'rest'))).status).toBe(201)
  expect(refusal(await registry.send(`POST /v2/${NAME}/blobs/uploads/`))).toBe('403 DENIED')
  expect((await pushBlob(registry, 'team/other', large)).status).toBe(201)
  const mount = `POST /v2/${NAME}/blobs/uploads/?mount=${digestOf(Buffer.alloc(9, 'x'))}&from=team/other`
  await pushBlob(registry, 'team/other', Buffer.alloc(9, 'x'))
  expect(refusal(await registry.send(mount))).toBe('403 DENIED')
})

test('a quota of tags holds for new ones, and what is deleted makes room', async () => {
  const { registry } = await start([{ organisation: 'team', tags: 2, bytes: 100_000 }])
  await using _ = registry
  const image = imageOf('image')
  await push(registry, NAME, { manifest: image })
  await push(registry, 'team/other', { manifest: image })
  const tag = async (name: string, reference: string) =>
    (await put(registry, name, { manifest: image, reference })).status
  expect(await tag(NAME, 'v1')).toBe(201)
  expect(await tag('team/other', 'v1')).toBe(201)
  expect([await tag(NAME, 'v2'), await tag(NAME, 'v1')]).toEqual([403, 201])
  await registry.send('DELETE /v2/team/other/manifests/v1')
  expect(await tag(NAME, 'v2')).toBe(201)
  expect((await usageOf(registry)).quotas).toMatchObject([
    { kind: 'organisation', name: 'team', tags: { used: 2, limit: 2 } },
  ])
})

test('of fifty pushes at the same time to one process none exceeds the quota', async () => {
  const { registry } = await start([{ repositories: ['**'], bytes: 10_000 }])
  await using _ = registry
  const pushes = Array.from({ length: 50 }, (_, index) =>
    pushBlob(registry, NAME, Buffer.alloc(1_000, `blob ${index} `)),
  )
  const statuses = (await Promise.all(pushes)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 201)).toHaveLength(10)
  expect(statuses.filter((status) => status === 403)).toHaveLength(40)
  const again = await Promise.all(
    Array.from({ length: 5 }, () => pushBlob(registry, 'same', Buffer.alloc(3_000, 's'))),
  )
  expect(again.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201])
  expect(await usageOf(registry, 'same')).toMatchObject({ bytes: 3_000 })
})

test('of fifty tags and of fifty mounts at the same time to one process none exceeds the quota either', async () => {
  await using folder = await temporaryFolder()
  const driver = await FilesystemDriver.open({ root: folder.path })
  const { registry } = await start([{ repositories: [NAME, 'mounting'], bytes: 10_000, tags: 10 }], driver)
  await using _ = registry
  const image = imageOf('image')
  await push(registry, NAME, { manifest: image })
  const tags = Array.from({ length: 50 }, (_, index) =>
    put(registry, NAME, { manifest: image, reference: `v${index}` }),
  )
  const tagged = (await Promise.all(tags)).map(({ status }) => status)
  expect(tagged.filter((status) => status === 201)).toHaveLength(10)
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(image), tagCount: 10 })
  const blobs = Array.from({ length: 20 }, (_, index) => Buffer.alloc(1_000, `blob ${index} `))
  for (const blob of blobs) await pushBlob(registry, 'source', blob)
  const mount = (blob: Buffer) =>
    registry.send(`POST /v2/mounting/blobs/uploads/?mount=${digestOf(blob)}&from=source`)
  const mounted = await Promise.all([...blobs, ...blobs].map(mount))
  const digests = new Set(
    mounted.filter(({ status }) => status === 201).map(({ headers }) => headers['docker-content-digest']),
  )
  expect(digests.size).toBe(10)
  expect(await usageOf(registry, 'mounting')).toMatchObject({ bytes: 10_000 })
})

test('a manifest and a tag that several clients push at the same time count once', async () => {
  await using folder = await temporaryFolder()
  const { registry, counted } = await start([], await FilesystemDriver.open({ root: folder.path }))
  await using _ = registry
  const image = imageOf('image')
  for (const blob of image.blobs) await pushBlob(registry, NAME, Buffer.from(blob))
  const { manifests, tags } = counted.repository(parseRepositoryName(NAME))
  const pushOnce = async () => tags.tag(parseTag('v1'), await manifests.put(parseManifest(image.bytes)))
  await Promise.all(Array.from({ length: 8 }, pushOnce))
  expect(await usageOf(registry)).toMatchObject({ bytes: sizeOf(image), tagCount: 1 })
})

test('of fifty pushes to three replicas no more exceed it than are under way, and then all refuse', async () => {
  const driver = new MemoryDriver()
  const quota = [{ repositories: ['**'], bytes: 10_000 }]
  const replicas = [await start(quota, driver), await start(quota, driver), await start(quota, driver)]
  const send = (index: number) =>
    pushBlob(replicas[index % 3]!.registry, NAME, Buffer.alloc(1_000, `blob ${index} `))
  const statuses = (await Promise.all(Array.from({ length: 50 }, (_, index) => send(index)))).map(
    ({ status }) => status,
  )
  const taken = statuses.filter((status) => status === 201).length
  expect(taken).toBeGreaterThanOrEqual(10)
  expect(taken).toBeLessThanOrEqual(30)
  for (const { ledger } of replicas) {
    await ledger.stop()
    await ledger.refresh({ force: true })
  }
  for (const index of [50, 51, 52]) expect(refusal(await send(index))).toBe('403 DENIED')
  for (const { ledger } of replicas)
    expect((await ledger.repository(parseRepositoryName(NAME)))?.bytes).toBe(taken * 1_000)
  for (const { registry } of replicas) await registry.stop()
})
