import type { RegistryEvent } from '../event.ts'

/** An event as it goes over the wire. */
export interface EncodedEvent {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type EncodeEvent = (event: RegistryEvent) => EncodedEvent

export const FORMATS = ['distribution3', 'distribution2', 'cloudevents', 'cloudevents-binary'] as const
export type FormatName = (typeof FORMATS)[number]
