import { formatAddress, listenOptions } from './app/addresses.ts'
import type { OpenIndex } from './app/extension/catalog-index.ts'
import { StoredOperations } from './app/extension/operations.ts'
import { watchHealth } from './app/health.ts'
import type { NotificationParts } from './app/notifications.ts'
import {
  mergeMetrics,
  openAccess,
  openCertificates,
  openMetrics,
  openRegistry,
  openTracing,
  openUncachedRegistry,
  startDebugServer,
  type WorkerGroup,
} from './app/open.ts'
import { countsUsage, httpSettings, isIndexed, isNotifying, needsScope, tlsSettings } from './app/settings.ts'
import { schedulePurging } from './app/upload-purging.ts'
import type { Config } from './config/schema.ts'
import type { TracingSettings } from './config/tracing.ts'
import type { AuditLog } from './core/access/audit-log.ts'
import type { People } from './core/access/sessions.ts'
import type { Locks } from './core/coordination/locks.ts'
import type { Log } from './core/log.ts'
import { RequestScope } from './core/notifications/request-scope.ts'
import type { Registry } from './core/registry.ts'
import { HttpServer } from './http/server.ts'
import { version } from './lib/version.ts'
import type { SnapshotSource } from './observability/merged-metrics.ts'
import type { Metrics } from './observability/metrics.ts'
import type { ProcessLog } from './observability/process-log.ts'
import type { StoredRegistry } from './registry/registry.ts'
import type { Tracing } from './tracing/open-tracing.ts'

export type { WorkerGroup } from './app/open.ts'

/** Loads the middleware code only if it is configured. */
async function wrapForRequests(config: Config, registry: Registry, log: Log): Promise<Registry> {
  const { registry: ofRegistry, repository: ofRepositories } = config.middleware
  if (ofRegistry.length === 0 && ofRepositories.length === 0) return registry
  return (await import('./app/registry-middleware.ts')).wrapRegistry(registry, config, log)
}

/** Loads the code of policies only if there are some. */
async function applyPolicies(config: Config, registry: Registry, stored: StoredRegistry): Promise<Registry> {
  if (config.policies.immutable.length === 0) return registry
  return (await import('./app/lifecycle/policies.ts')).applyPolicies(registry, config, stored.storage)
}

/** Loads the code of mirrors only if something is mirrored. */
async function openMirrors(
  config: Config,
  registry: StoredRegistry,
  parts: {
    metrics: Metrics | undefined
    tracing: Tracing | undefined
    workerGroup: WorkerGroup | undefined
    log: Log
  },
) {
  if (config.proxy.remoteurl === undefined && config.mirrors.length === 0) return undefined
  return (await import('./app/mirrors.ts')).openMirrors(config, registry, parts)
}

/** Loads the code of garbage collection only if it is enabled. */
async function openCollection(
  config: Config,
  registry: StoredRegistry,
  parts: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
) {
  if (!config.storage.maintenance.gc.enabled) return undefined
  return (await import('./app/maintenance/collection.ts')).scheduleCollection(config, registry, parts)
}

/** Loads the code of scrubs only if they are enabled. */
async function openScrub(
  config: Config,
  registry: StoredRegistry,
  parts: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
) {
  if (!config.storage.maintenance.scrub.enabled) return undefined
  return (await import('./app/maintenance/scrub.ts')).scheduleScrub(config, registry, parts)
}

/** Loads the code of notifications only if an endpoint is enabled. */
async function openNotifications(
  config: Config,
  registry: StoredRegistry,
  parts: NotificationParts & { delivers: boolean; scope: RequestScope | undefined },
) {
  if (!isNotifying(config)) return undefined
  return (await import('./app/notifications.ts')).openNotifications(config, registry, parts)
}

/** Delivers what workers announce. */
async function openDelivery(config: Config, registry: StoredRegistry, parts: NotificationParts) {
  if (!isNotifying(config) || config.storage.maintenance.readonly.enabled) return undefined
  return (await import('./app/notifications.ts')).openDelivery(config, registry, parts)
}

/** Loads the code of sessions only if people can log in. */
async function openSessions(
  config: Config,
  { people, ...parts }: { people: People | undefined; log: Log; isAlone: boolean },
) {
  if (people === undefined || (!people.havePasswords && config.auth.login.oidc.length === 0)) return undefined
  return (await import('./app/extension/sessions.ts')).openSessions(config, { people, ...parts })
}

/** Reads the web page only if it is enabled. */
async function openPage(config: Config) {
  if (!config.http.ui.enabled) return undefined
  return (await import('./app/page.ts')).openPage(config)
}

/** Loads the code of history only if it is enabled. */
async function openHistory(
  config: Config,
  registry: StoredRegistry,
  parts: { scope: RequestScope | undefined; log: Log },
) {
  if (!config.policies.history.enabled) return undefined
  return (await import('./app/lifecycle/history.ts')).openHistory(config, registry, parts)
}

async function openHistoryUpkeep(config: Config, registry: StoredRegistry, log: Log) {
  if (!config.policies.history.enabled) return undefined
  return (await import('./app/lifecycle/history.ts')).scheduleUpkeep(config, registry, log)
}

/** Loads the code of the index only if it is enabled. The registry serves without it if its database can't be used. */
async function openIndex(config: Config, registry: StoredRegistry, parts: { log: Log; sweeps: boolean }) {
  if (!isIndexed(config)) return undefined
  try {
    return await (await import('./app/extension/catalog-index.ts')).openIndex(config, registry, parts)
  } catch (err) {
    parts.log.error({ err }, 'the index cannot be opened: there is no search')
    return undefined
  }
}

/** Loads the code of recorded pulls only if they are enabled. */
async function openPulls(
  config: Config,
  registry: StoredRegistry,
  parts: { log: Log; index: OpenIndex | undefined },
) {
  if (!config.policies.pulls.enabled) return undefined
  return (await import('./app/lifecycle/pulls.ts')).openPulls(config, registry, {
    log: parts.log,
    onWritten: parts.index?.pulled,
  })
}

async function openCompaction(config: Config, registry: StoredRegistry, log: Log) {
  if (!config.policies.pulls.enabled) return undefined
  return (await import('./app/lifecycle/pulls.ts')).scheduleCompaction(config, registry, log)
}

/** Loads the code of usage only if something is counted. */
async function openUsage(config: Config, registry: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('./app/lifecycle/usage.ts')).openUsage(config, registry, log)
}

async function openRecount(config: Config, registry: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('./app/lifecycle/usage.ts')).scheduleRecount(config, registry, log)
}

/** Loads the code of retention only if there are rules. */
async function openRetention(
  config: Config,
  registry: StoredRegistry,
  parts: { log: Log; audit?: AuditLog | undefined },
) {
  if (config.policies.retention.rules.length === 0) return undefined
  return (await import('./app/lifecycle/retention.ts')).scheduleRetention(config, registry, parts)
}

export interface StartOptions {
  /** The other workers, if there are several; background work then runs in the supervisor only. */
  readonly workerGroup?: WorkerGroup | undefined
  /** Undefined if tracing is off. */
  readonly tracing?: TracingSettings | undefined
}

/** The composition root: a configuration becomes a running registry. Parts are wired only here and in `app/`. */
export async function startRegistry(
  config: Config,
  processLog: ProcessLog,
  { workerGroup, tracing: traced }: StartOptions = {},
): Promise<RunningRegistry> {
  await using opened = new AsyncDisposableStack()
  const tracing = opened.adopt(await openTracing(traced, processLog.log), (tracing) => tracing?.close())
  const log = tracing?.log(processLog.log) ?? processLog.log
  const isAlone = workerGroup === undefined
  const metrics = await openMetrics(config)
  const registry = opened.adopt(
    await openRegistry(config, { metrics, tracing, workerGroup, log }),
    (registry) => registry.close(),
  )
  const access = opened.adopt(await openAccess(config, { processLog, isAlone, registry }), (access) =>
    access.close(),
  )
  metrics?.showDroppedLines({ main: processLog, audit: access.audit })
  const { health } = opened.adopt(watchHealth(config, { registry, log }), (watch) => watch.stop())
  metrics?.showHealth(health)
  const mirrors = opened.adopt(
    await openMirrors(config, registry, { metrics, tracing, workerGroup, log }),
    (mirrors) => mirrors?.close(),
  )
  const certificates = await openCertificates(config.http, log)
  const tls = certificates && tlsSettings(config.http, certificates)
  const scope = needsScope(config) ? new RequestScope() : undefined
  const history = await openHistory(config, registry, { scope, log })
  const served = mirrors?.registry ?? registry
  const ruled = await applyPolicies(config, history?.wrap(served) ?? served, registry)
  const usage = opened.adopt(await openUsage(config, registry, log), (usage) => usage?.close())
  const governed = usage?.wrap(ruled) ?? ruled
  const notifications = opened.adopt(
    await openNotifications(config, registry, {
      ...{ metrics, tracer: tracing?.tracer, log },
      ...{ delivers: isAlone, scope },
    }),
    (notifications) => notifications?.close(),
  )
  const index = opened.adopt(await openIndex(config, registry, { log, sweeps: isAlone }), (index) =>
    index?.close(),
  )
  if (isAlone) {
    const variables = notifications?.variables
    const debug = await startDebugServer(config, { metrics, health, variables, log })
    opened.adopt(debug, (debug) => debug?.close())
  }
  const noted = notifications?.wrap(governed) ?? governed
  const pulls = opened.adopt(await openPulls(config, registry, { log, index }), (pulls) => pulls?.close())
  const wrapped = await wrapForRequests(config, index?.wrap(noted) ?? noted, log)
  const server = new HttpServer({
    registry: wrapped,
    history: await history?.open(wrapped),
    index: index?.index,
    settings: { ...httpSettings(config), namespaces: mirrors?.namespaces },
    mirrors: mirrors?.figures,
    page: await openPage(config),
    log,
    health,
    access: access.controller,
    issuer: access.issuer,
    sessions: await openSessions(config, { people: access.people, log, isAlone }),
    keys: access.keys,
    operations: new StoredOperations(config, registry.storage),
    version: await version(),
    audit: access.audit,
    observer: metrics?.requests,
    tracer: tracing?.requests,
    pulls: pulls?.observe(notifications?.pulls) ?? notifications?.pulls,
    recordedPulls: pulls?.recorded,
    usage: usage?.usage,
    scope,
    tls,
  })
  const address = await server.listen(listenOptions(config.http))
  index?.start()
  notifications?.listening(typeof address === 'string' ? undefined : address.port)
  if (isAlone) {
    opened.adopt(schedulePurging(config, registry, log), (purging) => purging?.stop())
    const parts = { metrics, log, audit: access.audit }
    opened.adopt(await openCollection(config, registry, parts), (collection) => collection?.stop())
    opened.adopt(await openRetention(config, registry, parts), (retention) => retention?.stop())
    opened.adopt(await openHistoryUpkeep(config, registry, log), (upkeep) => upkeep?.stop())
    opened.adopt(await openScrub(config, registry, parts), (scrub) => scrub?.stop())
    opened.adopt(await openCompaction(config, registry, log), (compaction) => compaction?.stop())
    opened.adopt(await openRecount(config, registry, log), (recount) => recount?.stop())
  }
  opened.adopt(server, () => server.close(config.http.draintimeout))
  certificates?.watch(() => server.setSecureContext(certificates.secureContext))
  opened.adopt(certificates, () => certificates?.close())
  const running = opened.move()
  return {
    address: formatAddress(address, tls === undefined ? 'http' : 'https'),
    metrics,
    replaceRules: ({ auth }) => access.replaceRules(auth),
    reopenLogs: () => {
      access.audit?.reopen()
      void certificates?.reload()
    },
    close: () => running.disposeAsync(),
  }
}

export interface RunningRegistry {
  /** The address it listens at: a URL, or `unix:` and the path of a socket. */
  readonly address: string
  /** Applies the access rules of another configuration, and nothing else of it. */
  replaceRules(config: Config): void
  /** Reopens log files that were rotated, and checks for new certificates. */
  reopenLogs(): void
  /** This process's metrics; undefined if they are disabled. */
  readonly metrics: Metrics | undefined
  /** Drains running requests up to the configured time, then releases everything. */
  close(): Promise<void>
}

export interface SupervisorServicesOptions {
  readonly locks: Locks
  /** The metrics of each worker, by its number. */
  readonly snapshots: SnapshotSource
  readonly processLog: ProcessLog
  /** Undefined if tracing is off. */
  readonly tracing?: TracingSettings | undefined
}

/** Services that run once if several workers serve: maintenance and the debug server.
 *  @throws Error if the debug server cannot listen; StorageError */
export async function startSupervisorServices(
  config: Config,
  { locks, snapshots, processLog, tracing: traced }: SupervisorServicesOptions,
): Promise<SupervisorServices> {
  await using opened = new AsyncDisposableStack()
  const tracing = opened.adopt(await openTracing(traced, processLog.log), (tracing) => tracing?.close())
  const log = tracing?.log(processLog.log) ?? processLog.log
  const metrics = await openMetrics(config)
  metrics?.showDroppedLines({ main: processLog, audit: undefined })
  const merged = metrics && (await mergeMetrics(metrics, snapshots))
  const registry = opened.adopt(await openUncachedRegistry(config, { metrics, locks, log }), (registry) =>
    registry.close(),
  )
  const { health } = opened.adopt(watchHealth(config, { registry, log }), (watch) => watch.stop())
  metrics?.showHealth(health)
  const delivery = opened.adopt(
    await openDelivery(config, registry, { metrics, tracer: tracing?.tracer, log }),
    (delivery) => delivery?.close(),
  )
  const variables = delivery?.variables
  const debug = await startDebugServer(config, { metrics: merged, health, variables, log })
  opened.adopt(debug, (debug) => debug?.close())
  opened.adopt(schedulePurging(config, registry, log), (purging) => purging?.stop())
  opened.adopt(await openCollection(config, registry, { metrics, log }), (collection) => collection?.stop())
  opened.adopt(await openRetention(config, registry, { log }), (retention) => retention?.stop())
  opened.adopt(await openHistoryUpkeep(config, registry, log), (upkeep) => upkeep?.stop())
  opened.adopt(await openScrub(config, registry, { metrics, log }), (scrub) => scrub?.stop())
  opened.adopt(await openCompaction(config, registry, log), (compaction) => compaction?.stop())
  opened.adopt(await openRecount(config, registry, log), (recount) => recount?.stop())
  const index = opened.adopt(await openIndex(config, registry, { log, sweeps: true }), (index) =>
    index?.close(),
  )
  index?.start()
  const running = opened.move()
  return { close: () => running.disposeAsync() }
}

export interface SupervisorServices {
  /** Resolves once running work has ended. */
  close(): Promise<void>
}
