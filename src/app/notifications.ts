/** Webhooks: what is configured under `notifications`. Its code is loaded if an endpoint is to be told of something. */
import { hash, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { openSecrets, readRootCertificates } from '../config/endpoint-files.ts'
import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { PullObserver } from '../core/notifications/pull-observer.ts'
import { RequestScope } from '../core/notifications/request-scope.ts'
import type { Registry } from '../core/registry.ts'
import type { Tracer } from '../core/tracing/tracer.ts'
import { settleAll } from '../lib/settle-all.ts'
import { ChangeReporter } from '../notifications/change-reporter.ts'
import { Dispatcher } from '../notifications/delivery/dispatcher.ts'
import type { Endpoint } from '../notifications/delivery/endpoint.ts'
import { CONCURRENCY } from '../notifications/delivery/endpoint-delivery.ts'
import { Sender } from '../notifications/delivery/sender.ts'
import { TracedSender } from '../notifications/delivery/traced-sender.ts'
import { EventFactory } from '../notifications/event.ts'
import { newFigures } from '../notifications/figures.ts'
import { ENCODERS } from '../notifications/formats/encoders.ts'
import { SINGLE_EVENT_FORMATS } from '../notifications/formats/format.ts'
import { NotifyingRegistry } from '../notifications/notifying-registry.ts'
import { Journal } from '../notifications/outbox/journal.ts'
import { PullDelivery } from '../notifications/pulls/pull-delivery.ts'
import { type EventShape, Subscription } from '../notifications/subscription.ts'
import type { Metrics } from '../observability/metrics.ts'
import { StoredRegistry } from '../registry/registry.ts'
import { variablesOf } from './notification-variables.ts'
import { manifestPolicy } from './settings.ts'

type EndpointConfig = Config['notifications']['endpoints'][number]

export interface NotificationParts {
  readonly metrics: Metrics | undefined
  /** Undefined if tracing is off. */
  readonly tracer?: Tracer | undefined
  readonly log: Log
}

type EndpointParts = Pick<NotificationParts, 'tracer' | 'log'>

/** Interval of polling for events of other processes; polling a folder costs less than a bucket. */
const POLL_MS = { filesystem: 500, others: 2_000 }

/** A process's part in telling of changes and pulls. */
export interface Notifications {
  /** A registry that reports the changes that are made by it. */
  wrap(registry: Registry): Registry
  /** Undefined if no endpoint is notified of pulls. */
  readonly pulls: PullObserver | undefined
  /** @param port where the registry listens; undefined for a socket */
  listening(port: number | undefined): void
  /** For `/debug/vars`. */
  readonly variables: () => object
  close(): Promise<void>
}

/** @param registry over its storage; not closed
 *  @param options.delivers true if this process delivers what all processes announce, whenever it is its turn */
export async function openNotifications(
  config: Config,
  registry: StoredRegistry,
  {
    metrics,
    tracer,
    log,
    delivers,
    scope = new RequestScope(),
  }: NotificationParts & { readonly delivers: boolean; readonly scope?: RequestScope | undefined },
): Promise<Notifications> {
  const endpoints = await openEndpoints(config, { tracer, log })
  metrics?.showNotifications(endpoints)
  const source = { addr: hostname(), instanceID: randomUUID() }
  const events = new EventFactory(source, scope)
  const {
    events: { includereferences },
    outbox,
  } = config.notifications
  const isReadOnly = config.storage.maintenance.readonly.enabled
  const dispatcher = delivers && !isReadOnly ? newDispatcher(config, { registry, endpoints, log }) : undefined
  const journal = new Journal({
    ...{ storage: registry.storage, log, onFailure: outbox.onfailure },
    onEnded: () => dispatcher?.wake(),
  })
  const reporter = new ChangeReporter({
    outbox: journal,
    events,
    isWanted: (event: EventShape) => endpoints.some(({ subscription }) => subscription.wants(event)),
    includesReferences: includereferences,
  })
  const pullers = endpoints.filter(({ subscription }) => subscription.wantsAction('pull'))
  const pulls =
    pullers.length === 0
      ? undefined
      : new PullDelivery(pullers, { events, includeReferences: includereferences })
  return {
    wrap: (wrapped) => (isReadOnly ? wrapped : new NotifyingRegistry(wrapped, reporter)),
    pulls,
    listening: (port) => {
      if (port !== undefined) source.addr = `${hostname()}:${port}`
    },
    variables: () => variablesOf(config, endpoints),
    async close() {
      await journal.close()
      await settleAll([dispatcher?.stop() ?? Promise.resolve(), pulls?.stop() ?? Promise.resolve()])
      await settleAll(endpoints.map(({ sender }) => sender.close()))
    },
  }
}

/** Delivers what other processes announce. */
export async function openDelivery(
  config: Config,
  registry: StoredRegistry,
  { metrics, tracer, log }: NotificationParts,
): Promise<Pick<Notifications, 'variables' | 'close'>> {
  const endpoints = await openEndpoints(config, { tracer, log })
  metrics?.showNotifications(endpoints)
  const dispatcher = newDispatcher(config, { registry, endpoints, log })
  return {
    variables: () => variablesOf(config, endpoints),
    async close() {
      await dispatcher.stop()
      await settleAll(endpoints.map(({ sender }) => sender.close()))
    },
  }
}

function newDispatcher(
  config: Config,
  { registry, endpoints, log }: { registry: StoredRegistry; endpoints: readonly Endpoint[]; log: Log },
): Dispatcher {
  const { storage } = registry
  return new Dispatcher({
    ...{ storage, endpoints, log, retentionMs: config.notifications.outbox.retention },
    registry: new StoredRegistry({ driver: storage, policy: manifestPolicy(config), log }),
    pollMs: storage.name === 'filesystem' ? POLL_MS.filesystem : POLL_MS.others,
  })
}

async function openEndpoints({ notifications }: Config, parts: EndpointParts): Promise<Endpoint[]> {
  const opened: Endpoint[] = []
  for (const [index, endpoint] of notifications.endpoints.entries()) {
    if (endpoint.disabled) continue
    const key = `notifications.endpoints[${index}]`
    const named = { ...endpoint, name: distinct(endpoint.name, opened) }
    opened.push(await openEndpoint(named, { key, ...parts }))
  }
  return opened
}

/** Distribution lets several have one name; their progress is kept by it. */
function distinct(name: string, others: readonly Endpoint[]): string {
  const isTaken = (one: string) => others.some((other) => other.name === one)
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name} ${number}`
    if (!isTaken(candidate)) return candidate
  }
}

/** Used if a duration or a threshold is 0, as in Distribution. */
const DEFAULTS = { timeoutMs: 1_000, threshold: 10, backoffMs: 1_000 }

async function openEndpoint(
  endpoint: EndpointConfig,
  { key, tracer, log }: EndpointParts & { key: string },
): Promise<Endpoint> {
  const url = new URL(endpoint.url ?? '')
  const { ignore, repositories, actions, mediatypes: mediaTypes } = endpoint
  const sender = new Sender({
    url,
    headers: endpoint.headers,
    timeoutMs: endpoint.timeout || DEFAULTS.timeoutMs,
    encode: ENCODERS[endpoint.format],
    takesSeveral: !SINGLE_EVENT_FORMATS.has(endpoint.format),
    secrets: await openSecrets(endpoint, { key, log }),
    rootCertificates: await readRootCertificates(endpoint, key),
    privateNetworks: endpoint.privatenetworks,
    connections: CONCURRENCY,
    traceHeaders: tracer && (() => tracer.headers()),
  })
  const subscription = new Subscription({
    ...{ repositories, actions, mediaTypes },
    ignoredActions: ignore.actions,
    ignoredMediaTypes: [...ignore.mediatypes, ...endpoint.ignoredmediatypes],
  })
  return {
    ...{ name: endpoint.name, urlHash: hash('sha256', url.href).slice(0, 16), subscription },
    sender: tracer === undefined ? sender : new TracedSender(sender, { tracer, name: endpoint.name, url }),
    threshold: endpoint.threshold || DEFAULTS.threshold,
    backoffMs: endpoint.backoff || DEFAULTS.backoffMs,
    maxBackoffMs: endpoint.maxbackoff,
    deadLetterMs: endpoint.deadletterafter,
    figures: newFigures(),
  }
}
