/** The messages between the supervisor and its workers, over node:cluster's channels. Wrapped, because others
 *  use the same channels. */
import type { Invalidation } from '../core/coordination/peers.ts'

export type ToSupervisor =
  /** The worker receives invalidations, has an empty cache, and is ready to start. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  /** The worker has applied an invalidation. */
  | { readonly kind: 'acknowledged'; readonly id: number }
  | { readonly kind: 'measured'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'alive' }

export type Question =
  | { readonly kind: 'publish'; readonly invalidation: Invalidation }
  | { readonly kind: 'acquire'; readonly name: string }
  | { readonly kind: 'release'; readonly name: string }

export type ToWorker =
  /** Starts the worker with the supervisor's configuration tree, so that all workers have the same, even if
   *  the file changes. */
  | { readonly kind: 'begin'; readonly tree: unknown }
  /** The answer to a request by its number. Only that of `acquire` can be false. */
  | { readonly kind: 'answer'; readonly id: number; readonly answer: boolean }
  | { readonly kind: 'invalidation'; readonly id: number; readonly invalidation: Invalidation }
  | { readonly kind: 'measure'; readonly id: number }
  /** A reloaded configuration tree, of which a running process applies what it can. */
  | { readonly kind: 'renew'; readonly tree: unknown }
  | { readonly kind: 'reopenLogs' }
  /** A ping. */
  | { readonly kind: 'areYouThere' }
  | { readonly kind: 'drain' }

/** A worker's metrics, as opaque data. */
export type Snapshot = readonly object[]

export interface Wrapped<Message> {
  readonly entrepot: Message
}

/** The message; undefined for messages of others. */
export function unwrap<Message>(received: unknown): Message | undefined {
  return typeof received === 'object' && received !== null && 'entrepot' in received
    ? (received as Wrapped<Message>).entrepot
    : undefined
}
