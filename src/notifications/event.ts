import { randomUUID } from 'node:crypto'
import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { Platform } from '../core/manifest/manifest.ts'
import type { RequestOrigin, RequestScope } from '../core/notifications/request-scope.ts'
import type { RepositoryName, Tag } from '../core/reference.ts'

export const EVENT_ACTIONS = ['push', 'pull', 'mount', 'delete'] as const
export type EventAction = (typeof EVENT_ACTIONS)[number]

/** A part of a manifest, as events list it. */
export interface ReferencedContent extends Descriptor {
  readonly platform?: Platform | undefined
  readonly urls?: readonly string[] | undefined
}

/** What was pushed, pulled, mounted or deleted. A deletion names a digest or a tag only. */
export interface EventTarget {
  readonly kind: 'blob' | 'manifest' | 'tag'
  readonly repository: RepositoryName
  readonly mediaType?: string
  readonly digest?: Digest
  readonly size?: number
  readonly tag?: Tag | undefined
  readonly fromRepository?: RepositoryName | undefined
  readonly references?: readonly ReferencedContent[] | undefined
}

/** The registry that an event comes from. */
export interface EventSource {
  /** Host name and port, once that is known. */
  addr: string
  /** Another one after each start. */
  readonly instanceID: string
}

/** A change or a pull, as it stands in the outbox. Formats make of it what receivers read. */
export interface RegistryEvent {
  /** A UUID. Stays the same whenever and however often it is delivered. */
  readonly id: string
  /** RFC 3339, UTC. */
  readonly timestamp: string
  readonly action: EventAction
  readonly target: EventTarget
  /** Where a client finds the content; absent of a deletion. */
  readonly url?: string | undefined
  readonly request: Omit<RequestOrigin, 'baseUrl' | 'actor'>
  /** Empty for the anonymous client. */
  readonly actor: string
  readonly source: Readonly<EventSource>
}

const NO_REQUEST: RequestOrigin = {
  ...{ id: '', address: '', host: '', method: '', userAgent: '' },
  ...{ actor: '', baseUrl: '' },
}

/** Makes events, for the request in whose scope it is called. */
export class EventFactory {
  readonly #source: EventSource
  readonly #scope: RequestScope

  constructor(source: EventSource, scope: RequestScope) {
    this.#source = source
    this.#scope = scope
  }

  /** @param occasion of what happened earlier than now, or in another request; `at` is in milliseconds since 1970 */
  create(
    action: EventAction,
    target: EventTarget,
    {
      origin = this.#scope.current ?? NO_REQUEST,
      at = Date.now(),
    }: { origin?: RequestOrigin; at?: number } = {},
  ): RegistryEvent {
    const { id, address, host, method, userAgent, actor, baseUrl } = origin
    return {
      id: randomUUID(),
      timestamp: new Date(at).toISOString(),
      action,
      target,
      url: action === 'delete' ? undefined : urlOf(target, baseUrl),
      request: { id, address, host, method, userAgent },
      actor,
      source: this.#source,
    }
  }
}

function urlOf({ kind, repository, digest }: EventTarget, baseUrl: string): string {
  return `${baseUrl}/v2/${repository}/${kind === 'blob' ? 'blobs' : 'manifests'}/${digest}`
}
