/** Capabilities whose code is loaded only if the configuration asks for them. */
import type { Config } from '../config/schema.ts'
import type { People } from '../core/access/sessions.ts'
import type { Log } from '../core/log.ts'
import type { RequestScope } from '../core/notifications/request-scope.ts'
import type { Registry } from '../core/registry.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { StoredRegistry } from '../registry/registry.ts'
import type { Tracing } from '../tracing/open-tracing.ts'
import type { OpenIndex } from './extension/catalog-index.ts'
import type { NotificationParts } from './notifications.ts'
import type { WorkerGroup } from './open.ts'
import { countsUsage, isIndexed, isNotifying } from './settings.ts'

/** Loads the middleware code only if it is configured. */
export async function wrapForRequests(config: Config, registry: Registry, log: Log): Promise<Registry> {
  const { registry: ofRegistry, repository: ofRepositories } = config.middleware
  if (ofRegistry.length === 0 && ofRepositories.length === 0) return registry
  return (await import('./registry-middleware.ts')).wrapRegistry(registry, config, log)
}

/** Loads the code of policies only if there are some. */
export async function applyPolicies(
  config: Config,
  registry: Registry,
  stored: StoredRegistry,
): Promise<Registry> {
  if (config.policies.immutable.length === 0) return registry
  return (await import('./lifecycle/policies.ts')).applyPolicies(registry, config, stored.storage)
}

/** Loads the code of mirrors only if something is mirrored. */
export async function openMirrors(
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
  return (await import('./mirrors.ts')).openMirrors(config, registry, parts)
}

/** Loads the code of notifications only if an endpoint is enabled. */
export async function openNotifications(
  config: Config,
  registry: StoredRegistry,
  parts: NotificationParts & { delivers: boolean; scope: RequestScope | undefined },
) {
  if (!isNotifying(config)) return undefined
  return (await import('./notifications.ts')).openNotifications(config, registry, parts)
}

/** Delivers what workers announce. */
export async function openDelivery(config: Config, registry: StoredRegistry, parts: NotificationParts) {
  if (!isNotifying(config) || config.storage.maintenance.readonly.enabled) return undefined
  return (await import('./notifications.ts')).openDelivery(config, registry, parts)
}

/** Loads the code of sessions only if people can log in. */
export async function openSessions(
  config: Config,
  { people, ...parts }: { people: People | undefined; log: Log; isAlone: boolean },
) {
  if (people === undefined || (!people.havePasswords && config.auth.login.oidc.length === 0)) return undefined
  return (await import('./extension/sessions.ts')).openSessions(config, { people, ...parts })
}

/** Reads the web page only if it is enabled. */
export async function openPage(config: Config) {
  if (!config.http.ui.enabled) return undefined
  return (await import('./page.ts')).openPage(config)
}

/** Loads the code of history only if it is enabled. */
export async function openHistory(
  config: Config,
  registry: StoredRegistry,
  parts: { scope: RequestScope | undefined; log: Log },
) {
  if (!config.policies.history.enabled) return undefined
  return (await import('./lifecycle/history.ts')).openHistory(config, registry, parts)
}

/** Loads the code of the index only if it is enabled. The registry serves without it if its database can't be used. */
export async function openIndex(
  config: Config,
  registry: StoredRegistry,
  parts: { log: Log; sweeps: boolean; metrics: Metrics | undefined },
) {
  if (!isIndexed(config)) return undefined
  try {
    return await (await import('./extension/catalog-index.ts')).openIndex(config, registry, parts)
  } catch (err) {
    parts.log.error({ err }, 'the index cannot be opened: there is no search')
    return undefined
  }
}

/** Loads the code of recorded pulls only if they are enabled. */
export async function openPulls(
  config: Config,
  registry: StoredRegistry,
  parts: { log: Log; index: OpenIndex | undefined },
) {
  if (!config.policies.pulls.enabled) return undefined
  return (await import('./lifecycle/pulls.ts')).openPulls(config, registry, {
    log: parts.log,
    onWritten: parts.index?.pulled,
  })
}

/** Loads the code of usage only if something is counted. */
export async function openUsage(config: Config, registry: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('./lifecycle/usage.ts')).openUsage(config, registry, log)
}
