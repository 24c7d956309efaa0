/** The audit log tells of every request for what policies are about, also of those that are refused. */
import { expect, test } from 'vitest'
import type { AuditEntry } from '../../src/core/access/audit-log.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { PullFiles } from '../../src/lifecycle/pulls/pull-files.ts'
import { UsageLedger } from '../../src/lifecycle/usage/ledger.ts'
import { QuotaRules } from '../../src/lifecycle/usage/quotas.ts'
import { UsageRegistry } from '../../src/lifecycle/usage/registry.ts'
import { UsageFiles } from '../../src/lifecycle/usage/usage-files.ts'
import type { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { GuardedRegistry, rule } from '../support/access.ts'
import { quiet } from '../support/http-registry.ts'
import { historyParts } from './history-under-test.ts'
import { digestOfImage, imageCalled } from './support.ts'

const NAME = 'team/app'

/** Alice may do everything, bob may look. */
async function startAudited() {
  const driver = new MemoryDriver()
  const entries: AuditEntry[] = []
  const { decorate, ...history } = historyParts(
    '{history: {enabled: true}, immutable: [{repositories: ["**"], tags: ["v*"]}]}',
  )
  const quotas = new QuotaRules([{ repositories: [NAME], bytes: 2_000 }])
  let ledger: UsageLedger | undefined
  const guarded = await GuardedRegistry.start({
    ...history,
    driver,
    users: ['alice', 'bob'],
    auth: { rules: [rule(NAME, 'alice', '*'), rule(NAME, 'bob', 'pull')] },
    audit: { record: (entry: AuditEntry) => entries.push(entry) },
    decorate(stored: StoredRegistry) {
      ledger = new UsageLedger({ files: new UsageFiles(driver), quotas, log: quiet })
      return new UsageRegistry(decorate(stored), { ledger, quotas })
    },
    usage: () => ledger!,
    pulls: () => ({ observer: { readsPayload: false, pulled() {} }, recorded: new PullFiles(driver) }),
  })
  for (const blob of ['config', 'layer']) await guarded.pushBlob(NAME, blob, 'alice')
  const put = (tag: string, image: string) =>
    guarded.send(`PUT /v2/${NAME}/manifests/${tag}`, 'alice', {
      headers: { 'content-type': MediaType.ociManifest },
      body: imageCalled(image),
    })
  /** The status, and what was written. */
  const audited = async (work: Promise<{ status: number }>) => {
    entries.length = 0
    const { status } = await work
    await expect.poll(() => entries.length).toBe(1)
    const [{ action, user, repository, allowed, outcome } = {} as AuditEntry] = entries
    expect(repository).toBe(NAME)
    return [status, action, user, allowed ? outcome : 'refused']
  }
  return { guarded, put, audited }
}

test.each(['tags/history', 'trash/list', 'usage/summary', 'pulls/list'])(
  'who looks at %s',
  async (resource) => {
    const { guarded, put, audited } = await startAudited()
    await using _ = guarded
    await put('latest', 'one')
    const request = `GET /v2/${NAME}/_entrepot/${resource}`
    expect(await audited(guarded.send(request, 'bob'))).toEqual([200, 'pull', 'bob', 'done'])
    expect(await audited(guarded.send(request))).toEqual([401, 'pull', '', 'refused'])
  },
)

test('who deletes a repository and puts it back, or may not', async () => {
  const { guarded, put, audited } = await startAudited()
  await using _ = guarded
  await put('latest', 'one')
  const remove = `DELETE /v2/${NAME}/_entrepot/repository`
  expect(await audited(guarded.send(remove, 'bob'))).toEqual([403, 'delete', 'bob', 'refused'])
  expect(await audited(guarded.send(remove, 'alice'))).toEqual([202, 'delete', 'alice', 'done'])
  const list = await guarded.send(`GET /v2/${NAME}/_entrepot/trash/list`, 'alice')
  const body = JSON.stringify({ id: JSON.parse(list.body.toString()).deletions[0].id })
  const restore = `POST /v2/${NAME}/_entrepot/trash/restore`
  expect(await audited(guarded.send(restore, 'bob', { body }))).toEqual([403, 'restore', 'bob', 'refused'])
  expect(await audited(guarded.send(restore, 'alice', { body }))).toEqual([200, 'restore', 'alice', 'done'])
  expect(await audited(guarded.send(restore, 'alice', { body }))).toEqual([404, 'restore', 'alice', 'failed'])
})

test('a push that policies refuse', async () => {
  const { guarded, put, audited } = await startAudited()
  await using _ = guarded
  expect(await audited(put('v1', 'one'))).toEqual([201, 'tag', 'alice', 'done'])
  expect(await audited(put('v1', 'two'))).toEqual([409, 'tag', 'alice', 'failed'])
  const removal = guarded.send(`DELETE /v2/${NAME}/manifests/${digestOfImage('one')}`, 'alice')
  expect(await audited(removal)).toEqual([409, 'delete', 'alice', 'failed'])
  const blob = Buffer.alloc(2_001)
  const large = `POST /v2/${NAME}/blobs/uploads/?digest=${digestOf(blob)}`
  expect(await audited(guarded.send(large, 'alice', { body: blob }))).toEqual([
    403,
    'push',
    'alice',
    'refused',
  ])
})
