import type { AuditLog } from '../../core/access/audit-log.ts'
import type { Log } from '../../core/log.ts'
import type { PullObserver } from '../../core/notifications/pull-observer.ts'
import type { RequestObserver } from '../../core/request-observer.ts'
import type { RequestTracer } from '../../core/tracing/tracer.ts'
import type { LifecycleListener, RequestLifecycle } from '../request-lifecycle.ts'
import type { HttpSettings } from '../settings.ts'
import { AccessLog } from './access-log.ts'
import { Audit } from './audit-log.ts'
import { Pulls } from './pulls.ts'
import { TracedRequests } from './traced-requests.ts'

export interface WatchersOptions {
  readonly settings: HttpSettings
  readonly log: Log
  readonly audit: AuditLog | undefined
  readonly pulls: PullObserver | undefined
  readonly observer: RequestObserver | undefined
  readonly tracer: RequestTracer | undefined
  /** Called when a connection has closed. */
  readonly onClosed: () => void
}

/** Everything that is told of requests: the access log, the audit log, pulls, metrics, traces. */
export class Watchers {
  readonly #log: Log
  readonly #accessLog: AccessLog
  readonly #audit: Audit | undefined
  readonly #pulls: Pulls | undefined
  readonly #traced: TracedRequests | undefined
  /** Called for each request that has ended. */
  readonly #watchers: ((lifecycle: RequestLifecycle) => void)[] = []
  /** Notifies the watchers of a request, in one place, once its handler and its response have ended. */
  readonly follower: LifecycleListener

  constructor({ settings, log, audit, pulls, observer, tracer, onClosed }: WatchersOptions) {
    this.#log = log
    this.#accessLog = new AccessLog({ log, isEnabled: settings.accessLog })
    this.#audit = audit && new Audit(audit, settings)
    this.#pulls = pulls && new Pulls(pulls, settings)
    this.#traced = tracer && new TracedRequests(tracer, settings)
    if (settings.accessLog) this.#watchers.push(this.#accessLog.end)
    if (this.#audit !== undefined) this.#watchers.push(this.#audit.end)
    if (this.#pulls !== undefined) this.#watchers.push(this.#pulls.end)
    if (observer !== undefined) this.#watchers.push((lifecycle) => lifecycle.observed?.end(lifecycle))
    if (this.#traced !== undefined) this.#watchers.push(this.#traced.end)
    this.follower = {
      closed: onClosed,
      ended: (lifecycle) => {
        for (const tell of this.#watchers) this.#tell(tell, lifecycle)
        if (!this.#accessLog.isEnabled) this.#tell(this.#accessLog.end, lifecycle)
      },
    }
  }

  /** Begins the request's span, if it is traced. */
  trace(lifecycle: RequestLifecycle): void {
    lifecycle.span = this.#traced?.begin(lifecycle)
  }

  watch(lifecycle: RequestLifecycle): void {
    if (this.#watchers.length === 0) return
    lifecycle.follow(this.follower)
    if (this.#accessLog.isEnabled) this.#accessLog.begin(lifecycle)
    this.#audit?.begin(lifecycle)
    this.#pulls?.begin(lifecycle)
  }

  /** Calls a watcher; its errors affect nothing else. */
  #tell(tell: (lifecycle: RequestLifecycle) => void, lifecycle: RequestLifecycle): void {
    const { span } = lifecycle
    try {
      if (span === undefined) tell(lifecycle)
      else span.run(() => tell(lifecycle))
    } catch (error) {
      this.#log.error({ 'http.request.id': lifecycle.id, err: error }, 'a request could not be logged')
    }
  }
}
