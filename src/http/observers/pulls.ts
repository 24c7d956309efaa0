import type { PullObserver } from '../../core/notifications/pull-observer.ts'
import { isTag } from '../../core/reference.ts'
import { requestOrigin } from '../request/request-origin.ts'
import type { RequestLifecycle } from '../request-lifecycle.ts'
import type { HttpSettings } from '../settings.ts'

/** Tells of each request by which a client has got a blob or a manifest, a part of one, or where to fetch it. A client that has
 *  it already (304) gets nothing. */
export class Pulls {
  readonly #observer: PullObserver
  readonly #settings: HttpSettings

  constructor(observer: PullObserver, settings: HttpSettings) {
    this.#observer = observer
    this.#settings = settings
  }

  /** Asks what can't be asked at the end: a connection that is gone remembers its address if it was asked for before. */
  begin({ request }: RequestLifecycle): void {
    void request.socket.remoteAddress
  }

  readonly end = (lifecycle: RequestLifecycle): void => {
    const { context, matched, status } = lifecycle
    const served = context?.served
    if (served === undefined || matched === undefined || !PULLED.has(status)) return
    const { repository, resource, reference } = matched.route
    if (repository === undefined) return
    const kind = resource === 'manifest' ? 'manifest' : 'blob'
    const { descriptor } = served
    const payload = this.#observer.readsPayload ? served.payload : undefined
    const isByTag = kind === 'manifest' && reference !== descriptor.digest && isTag(reference)
    const tag = isByTag ? reference : undefined
    const isHead = lifecycle.request.method === 'HEAD'
    this.#observer.pulled({ kind, isHead, repository, descriptor, tag, payload }, () =>
      requestOrigin(lifecycle.request, {
        id: lifecycle.id,
        actor: lifecycle.identity?.name ?? '',
        settings: this.#settings,
      }),
    )
  }
}

const PULLED = new Set([200, 206, 307])
