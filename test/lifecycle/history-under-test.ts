/** A registry over HTTP that keeps a history, put together as the configuration does it. */
import { openHistory } from '../../src/app/lifecycle/history.ts'
import { restorableContent } from '../../src/app/maintenance/restorable-content.ts'
import { loadConfig } from '../../src/config/load.ts'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import type { Deletion, Restoration, TagChange } from '../../src/core/lifecycle/history.ts'
import { RequestScope } from '../../src/core/notifications/request-scope.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { deletionList, restoration, tagChanges } from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { ImmutableTagsRegistry } from '../../src/lifecycle/immutable/registry.ts'
import { Collector } from '../../src/maintenance/gc/collector.ts'
import type { CollectorOptions } from '../../src/maintenance/gc/collector-options.ts'
import { run } from '../../src/maintenance/runner.ts'
import type { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { GUARD, TIMING } from '../gc/support.ts'
import { described } from '../support/extension-answer.ts'
import { HttpRegistry, type HttpRegistryOptions, quiet } from '../support/http-registry.ts'

/** @param policies as in YAML */
export function configOf(policies: string) {
  const file = `version: 0.1\nstorage: {inmemory: }\npolicies: ${policies}\n`
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => file }).config
}

export interface HistoryUnderTest {
  readonly driver?: StorageDriver
  readonly policies?: string
  readonly options?: HttpRegistryOptions
}

export async function startWithHistory({
  driver = new MemoryDriver(),
  policies = '{history: {enabled: true}}',
  options,
}: HistoryUnderTest = {}): Promise<HttpRegistry> {
  const parts = historyParts(policies)
  return HttpRegistry.start({ driver, collection: GUARD, cache: NO_CACHE, ...parts, ...options })
}

/** What makes an `HttpRegistry` keep a history. */
export function historyParts(policies = '{history: {enabled: true}}') {
  const scope = new RequestScope()
  const config = configOf(policies)
  let opened: ReturnType<typeof openHistory> | undefined
  const historyOf = (stored: StoredRegistry) => {
    opened ??= openHistory(config, stored, { scope })
    return opened
  }
  const { immutable: rules } = config.policies
  return {
    scope,
    decorate: (stored: StoredRegistry) =>
      new ImmutableTagsRegistry(historyOf(stored).wrap(stored), { rules, storage: stored.storage }),
    history: (stored: StoredRegistry, decorated: Parameters<ReturnType<typeof openHistory>['open']>[0]) =>
      historyOf(stored).open(decorated),
  }
}

/** One whole collection, with the untagged manifests. */
export async function collectWithHistory(
  { registry }: HttpRegistry,
  options: Partial<CollectorOptions> = {},
) {
  const content = restorableContent(registry, { isReadOnly: false })
  const collector = new Collector({
    ...{ content, graceMs: 0, pace: 0, dryRun: false, untagged: true, timing: TIMING, ...options },
  })
  await run(collector.steps(), { log: quiet, dryRun: false })
  return collector.report
}

export async function changesOf(
  registry: HttpRegistry,
  repository: string,
  query = '',
): Promise<TagChange[]> {
  const answer = await registry.send(`GET /v2/${repository}/_entrepot/tags/history${query}`)
  return described(tagChanges, answer).changes as TagChange[]
}

export async function deletionsOf(
  registry: HttpRegistry,
  repository: string,
  query = '',
): Promise<Deletion[]> {
  const answer = await registry.send(`GET /v2/${repository}/_entrepot/trash/list${query}`)
  return described(deletionList, answer).deletions as unknown as Deletion[]
}

export async function restore(
  registry: HttpRegistry,
  repository: string,
  body: { id: string; force?: boolean },
): Promise<{ status: number; restored: Restoration }> {
  const answer = await registry.send(`POST /v2/${repository}/_entrepot/trash/restore`, {
    body: JSON.stringify(body),
  })
  const restored = answer.status === 200 ? described(restoration, answer) : undefined
  return { status: answer.status, restored: restored as unknown as Restoration }
}
