import type { RegistryEvent } from '../event.ts'

/** What came of an announced change; `unknown` is for whoever looks at storage later. */
export type Outcome = 'happened' | 'failed' | 'unknown'

/** A change that was announced and has not ended yet. */
export interface AnnouncedChange {
  /** Resolves once the announcement survives a crash.
   *  @throws RegistryError, StorageError if it can't be written: then the change must not happen */
  readonly durable: Promise<void>
  /** Called once. The change may be acknowledged after the promise resolves. */
  end(outcome: Outcome): Promise<void>
}

/** The port to what remembers changes until all subscribers are told of them. */
export interface Outbox {
  announce(event: RegistryEvent): AnnouncedChange
}
