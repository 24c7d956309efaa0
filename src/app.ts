import { formatAddress, listenOptions } from './app/addresses.ts'
import { StoredOperations } from './app/extension/operations.ts'
import { watchHealth } from './app/health.ts'
import { startBackground } from './app/maintenance/background.ts'
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
import {
  applyPolicies,
  openDelivery,
  openHistory,
  openIndex,
  openMirrors,
  openNotifications,
  openPage,
  openPulls,
  openSessions,
  openUsage,
  wrapForRequests,
} from './app/optional.ts'
import { httpSettings, needsScope, tlsSettings } from './app/settings.ts'
import type { Config } from './config/schema.ts'
import type { TracingSettings } from './config/tracing.ts'
import type { Locks } from './core/coordination/locks.ts'
import { RequestScope } from './core/notifications/request-scope.ts'
import { HttpServer } from './http/server.ts'
import { version } from './lib/version.ts'
import { openAudit } from './observability/audit-log.ts'
import type { SnapshotSource } from './observability/merged-metrics.ts'
import type { Metrics } from './observability/metrics.ts'
import type { ProcessLog } from './observability/process-log.ts'

export type { WorkerGroup } from './app/open.ts'

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
  const index = opened.adopt(await openIndex(config, registry, { log, metrics, sweeps: isAlone }), (index) =>
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
    memory: registry.uploadMemory,
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
  if (isAlone) opened.use(await startBackground(config, registry, { metrics, log, audit: access.audit }))
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
  const audit = opened.adopt(openAudit(config.auth.audit, processLog), (audit) => audit?.close())
  metrics?.showDroppedLines({ main: processLog, audit })
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
  opened.use(await startBackground(config, registry, { metrics, log, audit }))
  const index = opened.adopt(await openIndex(config, registry, { log, metrics, sweeps: true }), (index) =>
    index?.close(),
  )
  index?.start()
  const running = opened.move()
  return { reopenLogs: () => audit?.reopen(), close: () => running.disposeAsync() }
}

export interface SupervisorServices {
  /** Reopens log files that were rotated. */
  reopenLogs(): void
  /** Resolves once running work has ended. */
  close(): Promise<void>
}
