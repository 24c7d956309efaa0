import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { chunksOf, filesIn } from '../../test/contract/registry/support.ts'
import { FaultyDriver } from '../../test/support/faulty-driver.ts'
import { eachInTurns } from '../../test/support/in-turns.ts'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { temporaryFolder } from '../../test/support/temporary-folder.ts'
import { digestOf } from '../core/digest.ts'
import { StorageError } from '../core/errors.ts'
import { DEFAULT_POLICY } from '../core/manifest/policy.ts'
import { parseRepositoryName } from '../core/reference.ts'
import type { BlobUpload } from '../core/registry.ts'
import type { IncompleteUpload } from '../core/storage-driver.ts'
import { StoredRegistry } from '../registry/registry.ts'
import { FilesystemDriver } from '../storage/filesystem.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { type RunOptions, run, type Step } from './runner.ts'
import { uploadPurging } from './upload-purging.ts'

const HOUR_MS = 3_600_000

/** A driver that has begun what shows in no listing. */
class LeavingDriver extends FaultyDriver {
  readonly #left = new Map<string, Date>()

  leave(path: string, { hoursAgo = 0 } = {}): void {
    this.#left.set(path, new Date(Date.now() - hoursAgo * HOUR_MS))
  }

  get left(): string[] {
    return [...this.#left.keys()]
  }

  override async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
    yield* super.incompleteUploads()
    for (const [path, modifiedAt] of this.#left) {
      yield {
        path,
        modifiedAt,
        remove: async () => {
          const error = this.fault({ method: 'delete', path })
          if (error !== undefined) throw error
          this.#left.delete(path)
        },
      }
    }
  }
}

let driver: LeavingDriver
let registry: StoredRegistry
let logged: RecordedLog
beforeEach(async () => {
  driver = new LeavingDriver(new MemoryDriver())
  logged = await RecordedLog.start()
  registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: logged.log })
})

async function upload(repository: string, content?: string): Promise<BlobUpload> {
  const begun = await registry.repository(parseRepositoryName(repository)).blobs.createUpload()
  if (content !== undefined) await begun.append(chunksOf(content))
  return begun
}

/** Purges what nobody has written to for two hours, some hours from now. */
function purge(hoursFromNow: number, options: Partial<RunOptions<Step>> = {}) {
  const now = Date.now() + hoursFromNow * HOUR_MS
  const steps = uploadPurging(registry, { ageMs: 2 * HOUR_MS, now })
  return run(steps, { log: logged.log, dryRun: false, ...options })
}

function records(): Record<string, unknown>[] {
  return logged.lines.map((line) => JSON.parse(line))
}

test('a young upload is left alone, with bytes or without', async () => {
  const uploads = [await upload('a', 'content'), await upload('a')]
  expect(await purge(1.9)).toEqual({ done: 0, failed: 0 })
  for (const { id, size } of uploads) {
    expect((await registry.repository(parseRepositoryName('a')).blobs.getUpload(id)).size).toBe(size)
  }
})

test('an old upload is removed with its bytes, in a repository that never came to be as well', async () => {
  await upload('a', 'content')
  await upload('b/c')
  expect(await purge(2.1)).toEqual({ done: 2, failed: 0 })
  expect(await filesIn(driver)).toEqual({})
})

test('an upload that was begun long ago and still grows is left alone', async () => {
  const { id } = await upload('a', 'content')
  const startedAt = `/docker/registry/v2/repositories/a/_uploads/${id}/startedat`
  await driver.put(startedAt, Buffer.from('2001-02-03T04:05:06Z'))
  expect(await purge(1)).toEqual({ done: 0, failed: 0 })
  expect(await purge(3)).toEqual({ done: 1, failed: 0 })
})

test('ages go by the clock of the storage, whatever the clocks of replicas show', async () => {
  await using folder = await temporaryFolder()
  const shared = await FilesystemDriver.open({ root: folder.path })
  const replica = () => new StoredRegistry({ driver: shared, policy: DEFAULT_POLICY, log: logged.log })
  const purgeNow = () =>
    run(uploadPurging(replica(), { ageMs: 2 * HOUR_MS }), { log: logged.log, dryRun: false })
  const now = Date.now()
  try {
    vi.useFakeTimers({ toFake: ['Date'], now: now - 400 * HOUR_MS })
    const { blobs } = replica().repository(parseRepositoryName('a'))
    const [full, empty] = [await blobs.createUpload(), await blobs.createUpload()]
    await full.append(chunksOf('content'))
    vi.setSystemTime(now + 400 * HOUR_MS)
    expect(await purgeNow()).toEqual({ done: 0, failed: 0 })
    for (const { id } of [full, empty]) await age(folder.path, id)
    expect(await purgeNow()).toEqual({ done: 2, failed: 0 })
  } finally {
    vi.useRealTimers()
    await shared.close()
  }

  /** Makes the files of an upload three hours old. */
  async function age(root: string, id: string): Promise<void> {
    const upload = join(root, 'docker/registry/v2/repositories/a/_uploads', id)
    const time = new Date(now - 3 * HOUR_MS)
    for (const name of await readdir(upload)) await utimes(join(upload, name), time, time)
  }
})

test('what was pushed stays', async () => {
  const digest = digestOf(Buffer.from('content'))
  await (await upload('a', 'content')).commit(digest)
  await upload('a', 'abandoned')
  expect(await purge(3)).toEqual({ done: 1, failed: 0 })
  expect(await registry.repository(parseRepositoryName('a')).blobs.has(digest)).toBe(true)
})

test('every removal is logged: what, where, since when and how much', async () => {
  const { id, startedAt } = await upload('a', 'content')
  await purge(3)
  expect(records()).toEqual([
    expect.objectContaining({
      level: 'info',
      msg: 'maintenance step',
      action: 'purge upload',
      repository: 'a',
      upload: id,
      startedAt: startedAt.toISOString(),
      bytes: 7,
      dryRun: false,
    }),
  ])
})

test('a dry run says what it would do, and removes nothing', async () => {
  const { id } = await upload('a', 'content')
  const before = await filesIn(driver)
  expect(await purge(3, { dryRun: true })).toEqual({ done: 1, failed: 0 })
  expect(await filesIn(driver)).toEqual(before)
  expect(records()).toEqual([expect.objectContaining({ upload: id, dryRun: true })])
})

test('a removal that fails is logged, and the others go on', async () => {
  const uploads = [await upload('a', 'one'), await upload('b', 'two'), await upload('c', 'three')]
  const stuck = uploads[1]!.id
  driver.fault = ({ method, path }) =>
    method === 'delete' && path.includes(stuck)
      ? new StorageError('BACKEND_FAILED', { path, message: 'the disk is on fire' })
      : undefined
  expect(await purge(3)).toEqual({ done: 2, failed: 1 })
  expect(records().filter(({ level }) => level === 'error')).toEqual([
    expect.objectContaining({
      msg: 'maintenance step failed',
      upload: stuck,
      err: expect.objectContaining({ message: 'the disk is on fire' }),
    }),
  ])
  driver.fault = () => undefined
  expect(await purge(3)).toEqual({ done: 1, failed: 0 })
  expect(await filesIn(driver)).toEqual({})
})

test('storage that cannot be listed fails the whole', async () => {
  await upload('a', 'content')
  driver.fault = ({ method, path }) =>
    method === 'list' ? new StorageError('BACKEND_FAILED', { path }) : undefined
  await expect(purge(3)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
})

test('it ends between two removals when it is told to', async () => {
  for (const content of ['one', 'two', 'three']) await upload('a', content)
  const stopping = new AbortController()
  driver.fault = ({ method }) => {
    if (method === 'delete') stopping.abort()
    return undefined
  }
  expect(await purge(3, { signal: stopping.signal })).toEqual({ done: 1, failed: 0 })
  expect(driver.count('delete')).toBe(1)
})

test('of 1,000 abandoned uploads no byte is left', async () => {
  const numbers = Array.from({ length: 1_000 }, (_, number) => number)
  await eachInTurns(
    numbers,
    async (number) => void (await upload(`team-${number % 7}/app`, `bytes ${number}`)),
  )
  expect(await purge(3)).toEqual({ done: 1_000, failed: 0 })
  expect(await filesIn(driver)).toEqual({})
})

const dataOf = (repository: string, id: string) =>
  `/docker/registry/v2/repositories/${repository}/_uploads/${id}/data`

test('what is left and old is removed, and what is young stays', async () => {
  driver.leave('/old', { hoursAgo: 3 })
  driver.leave('/young', { hoursAgo: 1 })
  driver.leave(dataOf('a', 'of-an-upload-that-is-gone'), { hoursAgo: 3 })
  driver.leave(dataOf('No_Name', 'of-none'), { hoursAgo: 3 })
  expect(await purge(0)).toEqual({ done: 3, failed: 0 })
  expect(driver.left).toEqual(['/young'])
})

test('what belongs to an upload that goes on stays, whatever its age', async () => {
  const { id } = await upload('team/app', 'content')
  driver.leave(dataOf('team/app', id), { hoursAgo: 300 })
  driver.leave(dataOf('another', id), { hoursAgo: 300 })
  expect(await purge(1)).toEqual({ done: 1, failed: 0 })
  expect(driver.left).toEqual([dataOf('team/app', id)])
})

test('what belongs to an abandoned upload goes after it', async () => {
  const { id } = await upload('a', 'content')
  driver.leave(dataOf('a', id))
  expect(await purge(3)).toEqual({ done: 2, failed: 0 })
  expect(records().map(({ action }) => action)).toEqual(['purge upload', 'remove incomplete upload'])
  expect(driver.left).toEqual([])
})

test('the removal of what is left is logged, and not done in a dry run', async () => {
  driver.leave('/left', { hoursAgo: 5 })
  expect(await purge(0, { dryRun: true })).toEqual({ done: 1, failed: 0 })
  expect(driver.left).toEqual(['/left'])
  expect(records()).toEqual([
    expect.objectContaining({
      action: 'remove incomplete upload',
      path: '/left',
      modifiedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      dryRun: true,
    }),
  ])
})

test('an incomplete upload that cannot be removed is logged, and the others go', async () => {
  for (const path of ['/one', '/two', '/three']) driver.leave(path, { hoursAgo: 3 })
  driver.fault = ({ method, path }) =>
    method === 'delete' && path === '/two' ? new StorageError('BUSY', { path }) : undefined
  expect(await purge(0)).toEqual({ done: 2, failed: 1 })
  expect(driver.left).toEqual(['/two'])
})

test('an outage is no word for an upload being gone', async () => {
  const { id } = await upload('a')
  driver.leave(dataOf('a', id), { hoursAgo: 3 })
  driver.fault = ({ method, path }) =>
    method === 'get' && driver.count('incompleteUploads') > 0
      ? new StorageError('BACKEND_FAILED', { path })
      : undefined
  await expect(purge(0)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  expect(driver.left).toHaveLength(1)
})
