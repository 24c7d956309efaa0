/** All policies at once: what a push then costs, and that they agree on what a tag named before. */
import { expect, test } from 'vitest'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import type { Repository } from '../../src/core/registry.ts'
import { EmptiedRepositories } from '../../src/lifecycle/history/emptied.ts'
import { Recorder } from '../../src/lifecycle/history/recorder.ts'
import { HistoryRegistry } from '../../src/lifecycle/history/registry.ts'
import { ImmutableTagsRegistry } from '../../src/lifecycle/immutable/registry.ts'
import { UsageLedger } from '../../src/lifecycle/usage/ledger.ts'
import { type QuotaRule, QuotaRules } from '../../src/lifecycle/usage/quotas.ts'
import { UsageRegistry } from '../../src/lifecycle/usage/registry.ts'
import { UsageFiles } from '../../src/lifecycle/usage/usage-files.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushBlob } from '../contract/registry/support.ts'
import { quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'

const name = parseRepositoryName('team/app')
const WINDOW_MS = 60_000

/** Remembers which tags were read. */
class TagReadsDriver extends MemoryDriver {
  reads: string[] = []

  override async get(path: string): Promise<Uint8Array> {
    const [, tag] = /_manifests\/tags\/([^/]+)\/current\/link$/.exec(path) ?? []
    if (tag !== undefined) this.reads.push(tag)
    return super.get(path)
  }
}

function governed(driver: MemoryDriver, quotas: readonly QuotaRule[]) {
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: quiet })
  const { storage } = stored
  const author = () => ({ actor: 'alice', cause: 'request' }) as const
  const recorder = new Recorder({ storage, windowMs: WINDOW_MS, movedWindowMs: WINDOW_MS, author })
  const recorded = new HistoryRegistry(stored, { recorder, emptied: new EmptiedRepositories(storage) })
  const rules = [{ repositories: ['**'], tags: ['v*'], deletable: false, expirable: false }]
  const ruled = new ImmutableTagsRegistry(recorded, { rules, storage })
  const limits = new QuotaRules(quotas)
  const ledger = new UsageLedger({ files: new UsageFiles(storage), quotas: limits, log: quiet })
  const repository = new UsageRegistry(ruled, { ledger, quotas: limits }).repository(name)
  const changes = () => recorder.journal.changes(name, { count: 10 })
  return { repository, changes, ledger }
}

/** Pushes as the handler of a request does. */
async function push(repository: Repository, image: string, tag: string): Promise<string> {
  for (const blob of ['config', 'layer']) await pushBlob(repository, blob)
  const payload = payloadOf(imageJson({ layers: [descriptorOf('layer')], annotations: { image } }))
  const descriptor = await repository.manifests.put(parseManifest(payload), undefined, {
    tags: [parseTag(tag)],
  })
  await repository.tags.tag(parseTag(tag), descriptor)
  return descriptor.digest
}

test('a push reads its tag once for all of them, and an immutable one again under its lock', async () => {
  const driver = new TagReadsDriver()
  const { repository, changes } = governed(driver, [{ repositories: ['**'], bytes: 100_000, tags: 10 }])
  const readsOf = async (image: string, tag: string) => {
    driver.reads = []
    const digest = await push(repository, image, tag)
    return { digest, reads: driver.reads.length }
  }
  const first = await readsOf('first', 'latest')
  const second = await readsOf('second', 'latest')
  const released = await readsOf('second', 'v1')
  expect([first.reads, second.reads, released.reads]).toEqual([1, 1, 3])
  expect(await changes()).toMatchObject([
    { tag: 'v1', action: 'set', to: second.digest },
    { tag: 'latest', action: 'moved', from: first.digest, to: second.digest },
    { tag: 'latest', action: 'set', to: first.digest },
  ])
})

test('where no tag is left, one that is there can still be moved', async () => {
  const { repository, ledger } = governed(new MemoryDriver(), [{ repositories: ['**'], tags: 1 }])
  await push(repository, 'first', 'latest')
  const moved = await push(repository, 'second', 'latest')
  expect(await repository.tags.get(parseTag('latest'))).toBe(moved)
  await expect(push(repository, 'third', 'other')).rejects.toMatchObject({ code: 'DENIED' })
  expect(await repository.tags.find(parseTag('other'))).toBeUndefined()
  expect(ledger.used({ kind: 'repository', name }).tags).toBe(1)
})
