import type { EndpointFigures } from '../figures.ts'
import type { Subscription } from '../subscription.ts'
import type { BackoffSettings } from './backoff.ts'
import type { EventSender } from './sender.ts'

/** A receiver, as it is configured. */
export interface Endpoint extends BackoffSettings {
  readonly name: string
  /** Of its URL; another URL has another one. */
  readonly urlHash: string
  readonly subscription: Subscription
  readonly sender: EventSender
  /** How old an event may become before it is given up. */
  readonly deadLetterMs: number
  readonly figures: EndpointFigures
}
