import { parseManifest } from '../../core/manifest/parse.ts'
import type { Pull, PullObserver } from '../../core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'
import type { Endpoint } from '../delivery/endpoint.ts'
import type { EventFactory, EventTarget } from '../event.ts'
import { referencesOf } from '../references.ts'
import { PullQueue } from './pull-queue.ts'
import type { WaitingPull } from './pull-ring.ts'

/** Tells endpoints of pulls. Best effort: they wait in bounded memory, and a stop drops them. */
export class PullDelivery implements PullObserver {
  readonly readsPayload: boolean
  readonly #queues: readonly PullQueue[]

  /** @param endpoints that want to hear of pulls */
  constructor(
    endpoints: readonly Endpoint[],
    { events, includeReferences }: { events: EventFactory; includeReferences: boolean },
  ) {
    this.readsPayload = includeReferences
    const eventOf = ({ pull, origin, at }: WaitingPull) =>
      events.create('pull', targetOf(pull), { origin, at })
    this.#queues = endpoints.map((endpoint) => new PullQueue(endpoint, eventOf))
  }

  pulled(pull: Pull, originOf: () => RequestOrigin): void {
    let origin: RequestOrigin | undefined
    for (const queue of this.#queues) {
      if (!queue.takes(pull)) continue
      origin ??= originOf()
      queue.push(pull, origin)
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.stop()))
  }
}

function targetOf({ kind, repository, descriptor, tag, payload }: Pull): EventTarget {
  const references = payload && referencesOf(parseManifest(payload))
  return { kind, repository, ...descriptor, tag, references }
}
