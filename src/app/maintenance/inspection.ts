/** Looks into what a registry has stored, past its caches, beside the registries that serve. Nothing is written. */
import { readCron } from '../../config/schema/key.ts'
import type { Config } from '../../config/schema.ts'
import type { Collectable } from '../../core/collection/collectable.ts'
import type { Log } from '../../core/log.ts'
import { type ExplainTarget, type Explanation, explain } from '../../maintenance/gc/explain.ts'
import { type VerifyOptions, type VerifyReport, verify } from '../../maintenance/verify.ts'
import { openRegistry } from '../open.ts'
import { restorableContent } from './restorable-content.ts'

export type { ExplainTarget, Explanation } from '../../maintenance/gc/explain.ts'
export type { VerifyReport } from '../../maintenance/verify.ts'

/** @throws Error if the storage can't be opened or read */
export async function inspect<Result>(
  config: Config,
  { log, work }: { log: Log; work: (content: Collectable) => Promise<Result> },
): Promise<Result> {
  if (config.storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  const registry = await openRegistry(config, { metrics: undefined, workerGroup: undefined, log })
  try {
    return await work(restorableContent(registry, { isReadOnly: true }))
  } finally {
    await registry.close()
  }
}

/** What keeps some content, as the collections of a configuration see it. */
export function explainContent(
  { storage }: Config,
  content: Collectable,
  target: ExplainTarget,
): Promise<Explanation> {
  const { grace: graceMs, untagged } = storage.maintenance.gc
  return explain({ content, graceMs, untagged }, target)
}

/** The first scheduled collection from a time on; undefined if none is scheduled. */
export function nextCollection({ storage }: Config, from: Date): Date | undefined {
  const { gc, readonly } = storage.maintenance
  const cron = gc.enabled && !readonly.enabled ? readCron(gc.schedule) : undefined
  return cron?.next(new Date(Math.max(from.getTime(), Date.now())))
}

export function verifyContent(options: VerifyOptions): Promise<VerifyReport> {
  return verify(options)
}
