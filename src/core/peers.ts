import type { ContentSet } from './descriptor-cache.ts'
import type { Digest } from './digest.ts'

/** What a process must let those know that serve the same registry beside it. It crosses to them as JSON. */
export type News =
  | { readonly kind: 'evicted'; readonly set: ContentSet; readonly names: readonly Digest[] }
  | { readonly kind: 'forgotten'; readonly canonical: Digest }

/** The port to the other processes that serve the same registry at the same address. */
export interface Peers {
  /** Fulfilled once every one of them that lives has acted upon it. One that joins later knows nothing old.
   *  @throws RegistryError UNAVAILABLE when they can't be reached */
  tell(news: News): Promise<void>
  /** @param act what this process does when it is told something; called once, before the process serves */
  whenTold(act: (news: News) => Promise<void>): void
}
