/** Opens the parts of a configuration. Code that not every registry needs is loaded on demand. */
import { availableParallelism } from 'node:os'
import type { AccessControl, KeyStorage } from '../auth/access-control.ts'
import { isAuthEnabled } from '../auth/is-auth-enabled.ts'
import { MemoryDescriptorCache } from '../cache/memory.ts'
import { SharedDescriptorCache } from '../cache/shared.ts'
import { readRedisTls } from '../config/redis-tls.ts'
import type { Config } from '../config/schema.ts'
import type { TracingSettings } from '../config/tracing.ts'
import { OPEN_TO_ALL } from '../core/access/access-controller.ts'
import type { Locks } from '../core/coordination/locks.ts'
import type { Peers } from '../core/coordination/peers.ts'
import { type DescriptorCache, NO_CACHE } from '../core/descriptor-cache.ts'
import type { Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { Ingest } from '../lib/ingest/ingest.ts'
import { version } from '../lib/version.ts'
import { type AuditFile, openAudit } from '../observability/audit-log.ts'
import type { DebugServer } from '../observability/debug-server.ts'
import type { MergedMetrics, SnapshotSource } from '../observability/merged-metrics.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { ProcessLog } from '../observability/process-log.ts'
import { StoredRegistry } from '../registry/registry.ts'
import type { Certificates } from '../tls/certificates.ts'
import type { Tracing } from '../tracing/open-tracing.ts'
import { formatAddress, tcpOptions } from './addresses.ts'
import { manifestPolicy } from './settings.ts'
import { openDriver } from './storage.ts'
import { wrapDriver } from './storage-middleware.ts'

/** The other processes that serve the same registry. */
export interface WorkerGroup {
  readonly peers: Peers
  readonly locks: Locks
}

/** Access control and its audit log. */
interface Access extends Omit<AccessControl, 'close'> {
  readonly audit: AuditFile | undefined
  /** Resolves once the last lines of the audit log are written. */
  close(): Promise<void>
}

interface AccessParts {
  readonly processLog: ProcessLog
  readonly isAlone: boolean
  /** Its storage holds the keys of people. */
  readonly registry: StoredRegistry
}

export async function openAccess(
  config: Config,
  { processLog, isAlone, registry }: AccessParts,
): Promise<Access> {
  const { auth, http, storage } = config
  const { log } = processLog
  const keyStorage = {
    ...{ storage: registry.storage, secret: http.secret },
    isReadOnly: storage.maintenance.readonly.enabled,
  }
  const control = await openAccessControl(auth, { log, isAlone, keyStorage })
  try {
    const audit = openAudit(auth.audit, processLog)
    const close = async () => {
      control.close()
      await audit?.close()
    }
    return { ...control, audit, close }
  } catch (error) {
    control.close()
    throw error
  }
}

/** Loads the code of access control only if it is configured. */
async function openAccessControl(
  auth: Config['auth'],
  parts: { log: Log; isAlone: boolean; keyStorage: KeyStorage },
): Promise<AccessControl> {
  if (!isAuthEnabled(auth)) {
    const none = { issuer: undefined, people: undefined, keys: undefined }
    return { controller: OPEN_TO_ALL, ...none, replaceRules() {}, close() {} }
  }
  return (await import('../auth/access-control.ts')).openAccessControl(auth, parts)
}

/** This process's metrics. Undefined if they are disabled; their code is not loaded then. */
export async function openMetrics({ http: { debug } }: Config): Promise<Metrics | undefined> {
  if (!debug?.addr || !debug.prometheus.enabled) return undefined
  const { Metrics } = await import('../observability/metrics.ts')
  const metrics = new Metrics()
  metrics.showBuild(await version())
  return metrics
}

/** Loads the code of tracing only if it is on. */
export async function openTracing(
  settings: TracingSettings | undefined,
  log: Log,
): Promise<Tracing | undefined> {
  if (settings === undefined) return undefined
  const { openTracing } = await import('../tracing/open-tracing.ts')
  return openTracing({ ...settings, version: await version(), log })
}

/** The registry over its storage and cache; closing it closes both. */
export async function openRegistry(
  config: Config,
  { metrics, tracing, workerGroup, log }: RegistryParts,
): Promise<StoredRegistry> {
  const ingest = openIngest(config, log)
  const metered = await meterDriver(
    await wrapDriver(await openDriver(config.storage, log, ingest), config, log),
    metrics,
  )
  const driver = tracing?.driver(metered) ?? metered
  const cache = await openCache(config, { metrics, log, driver }).catch(async (error) => {
    await driver.close()
    throw error
  })
  metrics?.showCache(cache.counts)
  const { cache: cached, maintenance } = config.storage
  const shared = shareCache(cache, workerGroup)
  return new StoredRegistry({
    driver,
    policy: manifestPolicy(config),
    cache: tracing?.cache(shared) ?? shared,
    readOnly: maintenance.readonly.enabled,
    smallContentBytes: cached.blobdescriptor === 'none' ? 0 : cached.contentsize,
    locks: workerGroup?.locks,
    ingest,
    collection: maintenance.gc.enabled,
    coexist: maintenance.gc.coexist,
    // With Redis the collector evicts by itself; beside workers it is in the supervisor, which has no cache.
    ...((cached.blobdescriptor === 'inmemory' || workerGroup !== undefined) && {
      evictCollected: (digest) => cache.evictContent(digest),
    }),
    log,
  })
}

/** Ingest in a thread, where there is a processor for it. Drivers of object stores copy what they send, which takes longer from memory that
 *  threads share. */
function openIngest({ storage }: Config, log: Log): Ingest | undefined {
  if (storage.filesystem === undefined || availableParallelism() === 1) return undefined
  return new Ingest((error) => log.error({ err: error }, 'the thread that takes in uploads has failed'))
}

interface RegistryParts {
  readonly metrics: Metrics | undefined
  /** Default: tracing is off. */
  readonly tracing?: Tracing | undefined
  readonly workerGroup: WorkerGroup | undefined
  readonly log: Log
}

/** The registry of the supervisor's services. It has no cache, because it receives no invalidations. */
export async function openUncachedRegistry(
  config: Config,
  { metrics, locks, log }: { metrics: Metrics | undefined; locks: Locks; log: Log },
): Promise<StoredRegistry> {
  // Without redirect middleware: no client is redirected from here.
  const driver = await meterDriver(await openDriver(config.storage, log), metrics)
  return new StoredRegistry({ driver, policy: manifestPolicy(config), locks, log })
}

async function meterDriver(driver: StorageDriver, metrics: Metrics | undefined): Promise<StorageDriver> {
  if (metrics === undefined) return driver
  const { MeteredDriver } = await import('../observability/metered-driver.ts')
  return new MeteredDriver(driver, metrics.storageTimer(driver.name))
}

/** The debug server, for operators. Undefined if it is disabled.
 *  @param metrics of this process, or merged from several; served if metrics are enabled
 *  @throws Error if it cannot listen */
export async function startDebugServer(
  { http: { debug } }: Config,
  {
    metrics,
    health,
    variables,
    log,
  }: {
    metrics: Pick<Metrics, 'render'> | undefined
    health: Health
    variables?: (() => object) | undefined
    log: Log
  },
): Promise<DebugServer | undefined> {
  if (!debug?.addr) return undefined
  const { DebugServer } = await import('../observability/debug-server.ts')
  const { enabled, path } = debug.prometheus
  const page = enabled && metrics ? { path, render: () => metrics.render() } : undefined
  const server = new DebugServer({ metrics: page, health, variables, log })
  const listening = server.listen(tcpOptions(debug.addr, 'http.debug.addr')).catch((cause) => {
    throw new Error(`http.debug.addr: ${cause.message}`, { cause })
  })
  log.info(
    { debugAddress: formatAddress(await listening, 'http'), metrics: page?.path },
    'debug server listening',
  )
  return server
}

/** The configured layer info cache. The Redis client is loaded only if needed. */
async function openCache(
  { storage, redis, http }: Config,
  { metrics, log, driver }: { metrics: Metrics | undefined; log: Log; driver: StorageDriver },
): Promise<DescriptorCache> {
  const { blobdescriptor, blobdescriptorsize: maxEntries, ttl: ttlMs } = storage.cache
  if (blobdescriptor === 'none') return NO_CACHE
  if (blobdescriptor === 'inmemory' || redis === undefined)
    return new MemoryDescriptorCache({ maxEntries, ttlMs })
  const [{ RedisDescriptorCache }, { cacheGenerationFile }] = await Promise.all([
    import('../cache/redis.ts'),
    import('./cache-generation.ts'),
  ])
  if (http.secret === '') {
    log.warn({ key: 'http.secret' }, 'is empty: clients with write access to Redis can change cached content')
  }
  const settings = { ...redis, tls: await readRedisTls(redis) }
  const timer = metrics?.redisTimer()
  const observe = timer && ((operation: string, seconds: number) => timer.observe(operation, seconds))
  const generationFile = cacheGenerationFile(driver, { isWritable: !storage.maintenance.readonly.enabled })
  const limits = { maxEntries, ttlMs }
  return new RedisDescriptorCache({ settings, secret: http.secret, generationFile, ...limits, log, observe })
}

function shareCache(cache: DescriptorCache, workerGroup: WorkerGroup | undefined): DescriptorCache {
  if (workerGroup === undefined || cache === NO_CACHE) return cache
  return new SharedDescriptorCache({ cache, peers: workerGroup.peers })
}

/** The certificates. Undefined without TLS; their code is not loaded then. */
export async function openCertificates({ tls }: Config['http'], log: Log): Promise<Certificates | undefined> {
  if (tls === undefined || (tls.certificate === '' && tls.letsencrypt.cachefile === '')) return undefined
  const [{ openCertificates }, { tlsPolicy }] = await Promise.all([
    import('../tls/open-certificates.ts'),
    import('../tls/policy.ts'),
  ])
  return openCertificates({ ...tls, policy: tlsPolicy(tls), log })
}

/** The metrics of several processes, merged. */
export async function mergeMetrics(own: Metrics, snapshots: SnapshotSource): Promise<MergedMetrics> {
  const { MergedMetrics } = await import('../observability/merged-metrics.ts')
  return new MergedMetrics({ own, snapshots })
}
