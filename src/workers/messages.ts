/** The messages between the supervisor and its workers, over the channels of node:cluster. Others use the same channels, so
 *  ours are wrapped. */
import type { Invalidation } from '../core/coordination/peers.ts'

export type ToSupervisor =
  /** It hears what it is told, knows nothing, and wants to begin. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'listening'; readonly address: string }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  /** It has applied an invalidation. */
  | { readonly kind: 'acknowledged'; readonly id: number }
  | { readonly kind: 'measured'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'alive' }

export type Question =
  | { readonly kind: 'publish'; readonly invalidation: Invalidation }
  | { readonly kind: 'acquire'; readonly name: string }
  | { readonly kind: 'release'; readonly name: string }

export type ToWorker =
  /** With what its configuration is made from, so that all have the same, whatever has become of the file. */
  | { readonly kind: 'begin'; readonly tree: unknown }
  /** To the question of that number: only `acquire` can be answered with false. */
  | { readonly kind: 'answer'; readonly id: number; readonly answer: boolean }
  | { readonly kind: 'invalidation'; readonly id: number; readonly invalidation: Invalidation }
  | { readonly kind: 'measure'; readonly id: number }
  /** With what the configuration would be made from now: what can be renewed in a process that serves is. */
  | { readonly kind: 'renew'; readonly tree: unknown }
  | { readonly kind: 'reopenLogs' }
  /** Asks whether it is there. */
  | { readonly kind: 'areYouThere' }
  | { readonly kind: 'drain' }

/** What a worker has measured: plain data, which is nobody's business here. */
export type Snapshot = readonly object[]

export interface Wrapped<Message> {
  readonly entrepot: Message
}

/** Undefined for what is not ours. */
export function unwrap<Message>(received: unknown): Message | undefined {
  return typeof received === 'object' && received !== null && 'entrepot' in received
    ? (received as Wrapped<Message>).entrepot
    : undefined
}
