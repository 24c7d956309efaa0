import type { ContentSet } from '../descriptor-cache.ts'
import type { Digest } from '../digest.ts'

/** Evictions that every process of a registry must apply to its cache. Sent between processes as JSON. */
export type Invalidation =
  | { readonly kind: 'evicted'; readonly set: ContentSet; readonly names: readonly Digest[] }
  | { readonly kind: 'contentEvicted'; readonly canonical: Digest }

/** The port to the other processes that serve the same registry at the same address. */
export interface Peers {
  /** Resolves once every living peer has applied the invalidation. A peer that joins later has nothing
   *  cached.
   *  @throws RegistryError UNAVAILABLE if the peers can't be reached */
  publish(invalidation: Invalidation): Promise<void>
  /** @param apply is called for each invalidation of a peer. Subscribe once, before the process serves. */
  subscribe(apply: (invalidation: Invalidation) => Promise<void>): void
}
