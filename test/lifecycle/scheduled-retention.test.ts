/** Retention by the schedule, in several processes over one storage. */
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { scheduleRetention } from '../../src/app/lifecycle/retention.ts'
import { startSupervisorServices } from '../../src/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { AuditEntry } from '../../src/core/access/audit-log.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { JOURNAL } from '../../src/notifications/outbox/paths.ts'
import { ProcessLog } from '../../src/observability/process-log.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { ProcessLocks } from '../../src/registry/uploads/process-locks.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushManifest, tagsOf } from '../contract/registry/support.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const MINUTE_MS = 60_000

function configOf(retention: object, storage: object = {}, others: object = {}) {
  const rules = [{ repositories: ['**'], tags: ['pr-*'], delete: { olderthan: '0s' } }]
  const file = JSON.stringify({
    version: 0.1,
    storage: { inmemory: null, ...storage },
    ...others,
    policies: { retention: { schedule: '* * * * *', rules, ...retention } },
  })
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => file }).config
}

async function registries(count: number) {
  const driver = new MemoryDriver()
  const logged = await RecordedLog.start()
  const all = Array.from(
    { length: count },
    () => new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: logged.log }),
  )
  const ended = () => logged.lines.filter((line) => line.includes('retention ended')).length
  return { all, logged, ended, repository: all[0]!.repository(parseRepositoryName('a')) }
}

test('of several processes one runs at each time', async () => {
  const { all, logged, ended, repository } = await registries(3)
  await pushManifest(repository, 'image', { tags: ['pr-1', 'v1'] })
  const schedules = all.map((registry) => scheduleRetention(configOf({}), registry, { log: logged.log })!)
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(ended).toBe(1)
  await expect.poll(() => tagsOf(repository)).toEqual(['v1'])
  await pushManifest(repository, 'other', { tags: ['pr-2'] })
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(() => tagsOf(repository)).toEqual(['v1'])
  for (const schedule of schedules) await schedule.stop()
  expect(ended()).toBe(2)
})

test('each removal has a line in the audit log', async () => {
  const { all, logged, ended, repository } = await registries(1)
  const digest = await pushManifest(repository, 'image', { tags: ['pr-1', 'v1'] })
  const entries: AuditEntry[] = []
  const audit = { record: (entry: AuditEntry) => entries.push(entry) }
  const schedule = scheduleRetention(configOf({}), all[0]!, { log: logged.log, audit })!
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(ended).toBe(1)
  await schedule.stop()
  expect(entries).toMatchObject([
    { action: 'retention', repository: 'a', tags: ['pr-1'], digest, kind: 'robot', outcome: 'done' },
  ])
})

test('the supervisor of workers writes these lines as well', async () => {
  await using folder = await temporaryFolder()
  const path = `${folder.path}/audit.log`
  const storage = { inmemory: undefined, filesystem: { rootdirectory: `${folder.path}/data` } }
  const config = configOf({}, storage, { auth: { audit: { path } } })
  const processLog = await ProcessLog.open(config.log)
  const services = await startSupervisorServices(config, {
    locks: new ProcessLocks(),
    ...{ snapshots: async () => new Map(), processLog },
  })
  const driver = await FilesystemDriver.open({ root: `${folder.path}/data` })
  const registry = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: processLog.log })
  const digest = await pushManifest(registry.repository(parseRepositoryName('a')), 'image', {
    tags: ['pr-1'],
  })
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(() => readFile(path, 'utf8')).toContain('retention')
  await services.close()
  await registry.close()
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ tags: ['pr-1'], digest })
})

test('each removal is an event for the process that delivers', async () => {
  const { all, logged, ended, repository } = await registries(1)
  const digest = await pushManifest(repository, 'image', { tags: ['pr-1', 'v1'] })
  const endpoints = [{ name: 'receiver', url: 'http://127.0.0.1:9/' }]
  const config = configOf({}, {}, { notifications: { endpoints } })
  const schedule = scheduleRetention(config, all[0]!, { log: logged.log })!
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(ended).toBe(1)
  await schedule.stop()
  const announced: string[] = []
  for await (const files of all[0]!.storage.scan(JOURNAL))
    for (const { path } of files) announced.push(Buffer.from(await all[0]!.storage.get(path)).toString())
  expect(announced.join()).toContain('"tag":"pr-1"')
  expect(announced.join()).toContain('"action":"delete"')
  expect(announced.join()).not.toContain('v1')
  expect(await repository.manifests.exists(digest)).toBe(true)
})

test('a dry run only logs, and nothing runs where it is not wanted', async () => {
  const { all, logged, ended, repository } = await registries(1)
  await pushManifest(repository, 'image', { tags: ['pr-1'] })
  const schedule = scheduleRetention(configOf({ dryrun: true }), all[0]!, { log: logged.log })!
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  await expect.poll(ended).toBe(1)
  await schedule.stop()
  expect(await tagsOf(repository)).toEqual(['pr-1'])
  expect(logged.lines.join()).toContain('"action":"remove tag"')
  for (const config of [
    configOf({ schedule: 'never' }),
    configOf({ rules: [] }),
    configOf({}, { maintenance: { readonly: { enabled: true } } }),
  ])
    expect(scheduleRetention(config, all[0]!, { log: logged.log })).toBeUndefined()
})
