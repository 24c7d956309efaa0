import type { RegistryEvent } from '../event.ts'

/** The body of a request, and the headers that describe it. */
export interface EncodedEvents {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Encodes events for one request.
 *  @param events one or more; one alone for a format in `SINGLE_EVENT_FORMATS` */
export type EncodeEvents = (events: readonly RegistryEvent[]) => EncodedEvents

export const FORMATS = ['distribution3', 'distribution2', 'cloudevents', 'cloudevents-binary'] as const
export type FormatName = (typeof FORMATS)[number]

/** Formats in which a request has exactly one event. Distribution's envelope may have several. */
export const SINGLE_EVENT_FORMATS: ReadonlySet<FormatName> = new Set(['cloudevents', 'cloudevents-binary'])
