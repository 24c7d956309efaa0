/** How the journals of all processes are read: nothing that was announced is overlooked, or judged while its process is at it. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { RequestScope } from '../../src/core/notifications/request-scope.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import type { ScannedFile, ScanOptions, StorageDriver } from '../../src/core/storage-driver.ts'
import { newMark } from '../../src/lib/process-identity.ts'
import { EventFactory, type RegistryEvent } from '../../src/notifications/event.ts'
import { Journal } from '../../src/notifications/outbox/journal.ts'
import { encodeLine, type JournalRecord } from '../../src/notifications/outbox/journal-record.ts'
import { Journals } from '../../src/notifications/outbox/journals.ts'
import { JOURNAL, padded } from '../../src/notifications/outbox/paths.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { quiet } from '../support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const LEASE_MS = 60
const events = new EventFactory({ addr: 'host:5000', instanceID: 'one' }, new RequestScope())

afterEach(() => {
  vi.restoreAllMocks()
})

/** A push of a blob that storage does not have: whoever looks for it finds that it did not happen. */
function pushOf(content: string, repository = 'a'): RegistryEvent {
  const digest = digestOf(Buffer.from(content))
  return events.create('push', {
    ...{ kind: 'blob', repository: parseRepositoryName(repository), digest },
    ...{ mediaType: 'application/octet-stream', size: content.length },
  })
}

function readersOf(driver: StorageDriver, leaseMs: number, merged: Journals['merged'] = {}): Journals {
  const registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, cache: NO_CACHE, log: quiet })
  return new Journals({ storage: driver, registry, log: quiet, leaseMs }, merged)
}

function journalIn(driver: StorageDriver): Journal {
  return new Journal({
    ...{ storage: driver, log: quiet, onFailure: 'refuse' },
    timing: { leaseMs: 60_000, beatMs: 20_000, gatherMs: 1 },
  })
}

async function told(journals: Journals, looks = 3): Promise<string[]> {
  const ids: string[] = []
  for (let look = 0; look < looks; look++) {
    ids.push(...(await journals.look()).map(({ id }) => id))
    await journals.removeMerged()
  }
  return ids
}

test('who is slow to look does not take others for dead', async () => {
  const driver = new MemoryDriver()
  const [journal, journals] = [journalIn(driver), readersOf(driver, LEASE_MS)]
  const [slow, later] = [pushOf('slow'), pushOf('later', 'b')]
  const announced = journal.announce(slow)
  await announced.durable
  expect(await told(journals)).toEqual([])
  await delay(2 * LEASE_MS)
  // Its process has written in time; that was only not looked at.
  const another = journal.announce(later)
  await another.durable
  expect(await told(journals)).toEqual([])
  await announced.end('happened')
  await another.end('happened')
  await journal.close()
  expect((await told(journals)).sort()).toEqual([slow.id, later.id].sort())
})

test('who was taken for dead, and goes on, is judged no more', async () => {
  const driver = new MemoryDriver()
  const [journal, journals] = [journalIn(driver), readersOf(driver, LEASE_MS)]
  await journal.announce(pushOf('never visible')).durable
  await told(journals)
  await delay(2 * LEASE_MS)
  expect(await told(journals)).toEqual([])
  const next = pushOf('next')
  const announced = journal.announce(next)
  await announced.durable
  expect(await told(journals)).toEqual([])
  await announced.end('happened')
  await journal.close()
  expect(await told(journals)).toEqual([next.id])
})

/** Shows a file only from the second listing on: what is written during a listing may or may not be in it. */
class LateListing extends MemoryDriver {
  late: number | undefined

  override async *scan(folder: string, options?: ScanOptions): AsyncIterable<readonly ScannedFile[]> {
    const { late } = this
    this.late = undefined
    for await (const page of super.scan(folder, options))
      yield page.filter(({ path }) => late === undefined || !path.endsWith(padded(late)))
  }
}

test('a file that a listing has missed is read, although a later one was there', async () => {
  const driver = new LateListing()
  const [journal, journals] = [journalIn(driver), readersOf(driver, 60_000)]
  const pushes = ['one', 'two', 'three'].map((content) => pushOf(content))
  for (const push of pushes) {
    const announced = journal.announce(push)
    await announced.durable
    await announced.end('happened')
  }
  await journal.close()
  driver.late = 1
  expect(await told(journals, 5)).toEqual(pushes.map(({ id }) => id))
})

test('a number that no file has holds nothing up', async () => {
  const driver = new MemoryDriver()
  const journals = readersOf(driver, 60_000)
  const [one, other] = [pushOf('one'), pushOf('other')]
  const mark = newMark()
  await write(driver, { mark, number: 3, records: [{ happened: one, moment: 1 }] })
  await write(driver, { mark, number: 7, records: [{ happened: other, moment: 2 }] })
  expect(await told(journals, 6)).toEqual([one.id, other.id])
})

test('the journal of a process that has ended stays until it was read', async () => {
  const driver = new MemoryDriver()
  const journals = readersOf(driver, 60_000)
  const mark = newMark()
  // More than are read in a look.
  for (let number = 0; number < 2_100; number++) await write(driver, { mark, number, records: [] })
  await delay(2)
  const last = pushOf('last')
  const ended = newMark().replace(/-\d+-\d+-/, '-999999999-1-')
  await write(driver, { mark: ended, number: 0, records: [{ happened: last, moment: 1 }] })
  expect(await told(journals, 6)).toEqual([last.id])
})

describe('on a disk', () => {
  let folder: TemporaryFolder
  let driver: FilesystemDriver
  beforeEach(async () => {
    folder = await temporaryFolder()
    driver = new FilesystemDriver({ root: folder.path })
  })
  afterEach(async () => {
    await driver.close()
    await folder.remove()
  })

  const filesOf = async () => (await collectAll(driver.scan(JOURNAL))).flat()

  async function announce(journal: Journal, push: RegistryEvent): Promise<void> {
    const announced = journal.announce(push)
    await announced.durable
    await announced.end('happened')
  }

  test('a journal is a file that grows, and is read on from where it was read', async () => {
    const [journal, journals] = [journalIn(driver), readersOf(driver, 60_000)]
    const pushes = ['one', 'two', 'three'].map((content) => pushOf(content))
    const ids: string[] = []
    for (const push of pushes) {
      await announce(journal, push)
      ids.push(...(await told(journals, 1)))
    }
    expect(await filesOf()).toHaveLength(1)
    await journal.close()
    expect([...ids, ...(await told(journals))]).toEqual(pushes.map(({ id }) => id))
    expect(await told(journals)).toEqual([])
  })

  test('whoever reads next goes on where the last one was', async () => {
    const [journal, journals] = [journalIn(driver), readersOf(driver, 60_000)]
    const [open, first, second] = ['open', 'first', 'second'].map((content) => pushOf(content, content))
    await announce(journal, first!)
    expect(await told(journals)).toEqual([first!.id])
    const left = journal.announce(open!)
    await left.durable
    await announce(journal, second!)
    await expect.poll(() => told(journals)).toEqual([second!.id])
    // What is behind the open change is read again.
    const next = readersOf(driver, 60_000, journals.merged)
    await left.end('happened')
    await journal.close()
    expect((await told(next)).sort()).toEqual([open!.id, second!.id].sort())
  })

  test('a full file is followed by another, and removed once it is in the log', async () => {
    const [journal, journals] = [journalIn(driver), readersOf(driver, 60_000)]
    const pushes = Array.from({ length: 600 }, (_, count) =>
      pushOf(`content ${count}`, `repository${count % 7}`),
    )
    const ids: string[] = []
    for (const [index, push] of pushes.entries()) {
      await announce(journal, push)
      if (index % 60 === 0) ids.push(...(await told(journals, 1)))
    }
    expect((await filesOf()).map(({ path }) => path.slice(-6))).not.toContain('00.log')
    await journal.close()
    ids.push(...(await told(journals)))
    expect(ids.toSorted()).toEqual(pushes.map(({ id }) => id).toSorted())
    expect(await filesOf()).toHaveLength(1)
  })

  test('a part of a line that a crash has left is not read, and does not keep the journal', async () => {
    const [push, cut] = [pushOf('push'), pushOf('cut')]
    const ended = newMark().replace(/-\d+-\d+-/, '-999999999-1-')
    const file = await driver.createGrowing(`${JOURNAL}/${ended}/${padded(0)}.log`)
    await file.append(Buffer.from(encodeLine({ happened: push, moment: 1 })), { durable: true })
    await file.append(Buffer.from(encodeLine({ happened: cut, moment: 2 }).slice(0, -9)), { durable: true })
    await file.close()
    const journals = readersOf(driver, 60_000)
    expect(await told(journals, 5)).toEqual([push.id])
    expect(await filesOf()).toEqual([])
  })

  test('a journal that somebody has removed is written anew', async () => {
    const [journal, journals] = [journalIn(driver), readersOf(driver, 60_000)]
    const [one, other] = [pushOf('one'), pushOf('other')]
    await announce(journal, one)
    await driver.delete(JOURNAL)
    await announce(journal, other)
    await journal.close()
    expect(await told(journals, 6)).toEqual([other.id])
  })

  test('batches of several processes are in the order in which they were written', async () => {
    const [here, there, journals] = [journalIn(driver), journalIn(driver), readersOf(driver, 60_000)]
    const pushes = Array.from({ length: 12 }, (_, count) => pushOf(`content ${count}`))
    for (const [index, push] of pushes.entries()) {
      await announce(index % 2 === 0 ? here : there, push)
      await delay(10) // longer than the file system's clock takes for a step
    }
    for (const journal of [here, there]) await journal.close()
    expect(await told(journals)).toEqual(pushes.map(({ id }) => id))
  })
})

test('a process that was idle for long begins a new journal', async () => {
  const driver = new MemoryDriver()
  const journal = journalIn(driver)
  const now = performance.now.bind(performance)
  for (const minutes of [0, 31]) {
    vi.spyOn(performance, 'now').mockImplementation(() => now() + minutes * 60_000)
    const announced = journal.announce(pushOf(`after ${minutes}`))
    await announced.durable
    await announced.end('happened')
  }
  await journal.close()
  const marks: string[] = []
  for await (const { name } of driver.list(JOURNAL)) marks.push(name)
  expect(marks).toHaveLength(2)
})

async function write(
  driver: MemoryDriver,
  { mark, number, records }: { mark: string; number: number; records: readonly JournalRecord[] },
): Promise<void> {
  await driver.put(`${JOURNAL}/${mark}/${padded(number)}`, Buffer.from(records.map(encodeLine).join('')))
}
