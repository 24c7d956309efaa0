/** When images were pulled last, and how often: recorded without a request to storage for each pull. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import type { Pull } from '../../src/core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../src/core/notifications/request-scope.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { pullList } from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { PullFiles } from '../../src/lifecycle/pulls/pull-files.ts'
import { PullRecorder } from '../../src/lifecycle/pulls/pull-recorder.ts'
import { Retention, type TagVerdict } from '../../src/lifecycle/retention/retention.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { imageOf, indexOf, push, put } from '../gc/untagged-images.ts'
import { described } from '../support/extension-answer.ts'
import { type Fault, FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'

const NAME = 'team/app'
const name = parseRepositoryName(NAME)
const digest = digestOf(Buffer.from('manifest'))
const HOUR_MS = 3_600_000
const NOON = Date.parse('2030-01-02T12:00:00Z')

const pullOf = (tag: string | undefined, part: Partial<Pull> = {}): Pull => ({
  ...{ kind: 'manifest', isHead: false, repository: name, payload: undefined },
  descriptor: { mediaType: 'application/json', digest, size: 1 },
  tag: tag === undefined ? undefined : parseTag(tag),
  ...part,
})

/** Lets a method fail where processes write what they have counted. */
const failing =
  (failed: string): Fault =>
  ({ method, path }) =>
    method === failed && path.includes('/pulls/recent') ? new StorageError('BUSY', { path }) : undefined

const byAnyone = () => ({ actor: 'anyone' }) as RequestOrigin

/** A process that records. */
function replica(driver: MemoryDriver | FaultyDriver, now: number, except: readonly string[] = []) {
  const files = new PullFiles(driver)
  return {
    files,
    recorder: new PullRecorder({ files, intervalMs: HOUR_MS, except, log: quiet, now: () => now }),
  }
}

test('three replicas with clocks an hour apart say the latest hour, and the sum', async () => {
  const driver = new MemoryDriver()
  const replicas = [0, -1, 1].map((hours) => replica(driver, NOON + hours * HOUR_MS))
  for (const { recorder } of replicas) {
    recorder.pulled(pullOf('v1'), byAnyone)
    recorder.pulled(pullOf('v1'), byAnyone)
    recorder.pulled(pullOf(undefined), byAnyone)
    await recorder.flush()
  }
  const lastPulledAt = new Date(NOON + HOUR_MS)
  for (const { files } of replicas)
    expect(await files.of(name)).toEqual([
      { digest, lastPulledAt, pulls: 9, tags: [{ tag: 'v1', lastPulledAt, pulls: 6 }] },
    ])
})

test('a compaction changes nothing but the number of files, also if it is cut short or runs twice', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const { files, recorder } = replica(driver, NOON)
  for (let count = 0; count < 3; count++) {
    recorder.pulled(pullOf('v1'), byAnyone)
    recorder.pulled(pullOf('v1', { repository: parseRepositoryName(`other/${count}`) }), byAnyone)
    await recorder.flush()
  }
  const before = await files.of(name)
  expect(before[0]?.pulls).toBe(3)
  driver.fault = failing('delete')
  await expect(files.compact()).rejects.toThrow()
  driver.fault = () => undefined
  expect(await new PullFiles(driver).of(name)).toEqual(before)
  await Promise.all([new PullFiles(driver).compact(), new PullFiles(driver).compact()])
  expect(await files.of(name)).toEqual(before)
  expect(await collectAll(driver.list('/docker/registry/v2/lifecycle/pulls/recent'))).toEqual([])
  recorder.pulled(pullOf('v1'), byAnyone)
  await recorder.flush()
  await files.compact()
  expect((await files.of(name))[0]?.pulls).toBe(4)
})

test('neither looking nor a blob counts, nor a client that is excepted; and no pull costs a request', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const { files, recorder } = replica(driver, NOON, ['scanner'])
  const calls = driver.calls.length
  recorder.pulled(pullOf('v1', { isHead: true }), byAnyone)
  recorder.pulled(pullOf(undefined, { kind: 'blob' }), byAnyone)
  recorder.pulled(pullOf('v1'), () => ({ actor: 'scanner' }) as RequestOrigin)
  expect(driver.calls.length).toBe(calls)
  await recorder.flush()
  expect(await files.of(name)).toEqual([])
})

test('what could not be written is written the next time', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const { files, recorder } = replica(driver, NOON)
  await recorder.flush()
  recorder.pulled(pullOf('v1'), byAnyone)
  driver.fault = failing('put')
  await expect(recorder.flush()).rejects.toThrow()
  driver.fault = () => undefined
  recorder.pulled(pullOf('v1'), byAnyone)
  await recorder.stop()
  expect((await files.of(name))[0]?.pulls).toBe(2)
})

test('after a day in which nothing was recorded the record begins anew', async () => {
  const driver = new MemoryDriver()
  const files = new PullFiles(driver)
  expect(await files.recordedSince()).toBeUndefined()
  for (const hours of [0, 1, 24]) await files.note(NOON + hours * HOUR_MS)
  expect(await files.recordedSince()).toEqual(new Date(NOON))
  await files.note(NOON + 49 * HOUR_MS)
  expect(await files.recordedSince()).toEqual(new Date(NOON + 49 * HOUR_MS))
})

test('the API shows what clients have pulled', async () => {
  let recorder: PullRecorder | undefined
  await using registry = await HttpRegistry.start({
    pulls: (stored) => {
      const files = new PullFiles(stored.storage)
      recorder = new PullRecorder({ files, intervalMs: HOUR_MS, except: [], log: quiet })
      return { observer: recorder, recorded: files }
    },
  })
  const image = imageOf('image')
  await push(registry, NAME, { manifest: image })
  await put(registry, NAME, { manifest: image, reference: 'v1' })
  for (const request of ['GET v1', 'HEAD v1', `GET ${digestOf(image.bytes)}`])
    await registry.send(request.replace(' ', ` /v2/${NAME}/manifests/`))
  await recorder?.flush()
  const answer = await registry.send(`GET /v2/${NAME}/_entrepot/pulls/list`)
  const listed = described(pullList, answer)
  expect(listed.manifests).toMatchObject([
    { digest: digestOf(image.bytes), pulls: 2, tags: [{ tag: 'v1', pulls: 1 }] },
  ])
  expect([listed.name, listed.next]).toEqual([NAME, null])
  expect(Date.parse(String(listed.recordedSince))).toBeGreaterThan(Date.now() - HOUR_MS)
})

const rules = [
  {
    ...{ repositories: ['**'], tags: ['*'] },
    ...{ keep: { always: false, pulledwithin: 240 * HOUR_MS }, delete: { olderthan: 0 } },
  },
]

/** Retention over images that were pushed some days ago, in a registry that records pulls since another day. */
async function retained(
  pulled: readonly { digest: string; daysAgo: number }[],
  options: { isRecorded?: boolean; pushedDaysAgo?: number; recordedDaysAgo?: number } = {},
) {
  const { isRecorded = true, pushedDaysAgo = 100, recordedDaysAgo = pushedDaysAgo } = options
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver })
  const child = imageOf('child')
  for (const manifest of [child, imageOf('other')]) await push(registry, NAME, { manifest })
  for (const [reference, manifest] of [
    ['index', indexOf(child)],
    ['other', imageOf('other')],
  ] as const)
    await put(registry, NAME, { manifest, reference })
  const files = new PullFiles(driver)
  const now = Date.now() + pushedDaysAgo * 24 * HOUR_MS
  for (let at = now - recordedDaysAgo * 24 * HOUR_MS; at < now; at += 23 * HOUR_MS) await files.note(at)
  for (const one of pulled) {
    const { recorder } = replica(driver, now - one.daysAgo * 24 * HOUR_MS)
    const descriptor = { mediaType: '', digest: one.digest as typeof digest, size: 1 }
    recorder.pulled(pullOf(undefined, { descriptor }), byAnyone)
    await recorder.flush()
  }
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const later = Object.assign(Object.create(stored) as StoredRegistry, {
    storageTime: async () => new Date(now),
    repositories: () => stored.repositories(),
    repository: () => stored.repository(name),
  })
  const verdicts: TagVerdict[] = []
  const pulls = isRecorded ? files : undefined
  const retention = new Retention({ registry: later, rules, immutable: [], pulls })
  for await (const _ of retention.steps((verdict) => verdicts.push(verdict))) {
    // Only planned.
  }
  return Object.fromEntries(verdicts.map(({ entry, action, reason }) => [entry.tag, `${action}: ${reason}`]))
}

test('retention keeps what was pulled within a time; a child that is pulled keeps its index', async () => {
  const child = digestOf(imageOf('child').bytes)
  const other = digestOf(imageOf('other').bytes)
  expect(await retained([{ digest: child, daysAgo: 3 }])).toEqual({
    index: 'keep: used within 240h',
    other: 'remove: nothing keeps it',
  })
  expect(
    await retained([
      { digest: child, daysAgo: 20 },
      { digest: other, daysAgo: 10.9 },
    ]),
  ).toEqual({ index: 'remove: nothing keeps it', other: 'keep: used within 240h' })
})

test('what was never pulled counts from its push, and nothing is older than the record', async () => {
  const used = { index: 'keep: used within 240h', other: 'keep: used within 240h' }
  const unused = { index: 'remove: nothing keeps it', other: 'remove: nothing keeps it' }
  expect(await retained([], { pushedDaysAgo: 9, recordedDaysAgo: 100 })).toEqual(used)
  expect(await retained([], { pushedDaysAgo: 12 })).toEqual(unused)
  expect(await retained([], { pushedDaysAgo: 12, recordedDaysAgo: 9 })).toEqual(used)
  // As after the loss of all that was recorded.
  expect(await retained([], { recordedDaysAgo: 1 })).toEqual(used)
})

test('where nothing is recorded, nobody knows, and everything stays', async () => {
  const kept = 'keep: nobody knows when it was pulled'
  expect(await retained([], { isRecorded: false })).toEqual({ index: kept, other: kept })
})
